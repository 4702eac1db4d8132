use super::*;
use crate::keys::cycle::Cycle;

#[tokio::test]
async fn a_coordinator_that_is_down_is_asked_less_and_less_often_and_never_by_all_at_once() {
    let coordinator = ScriptedCoordinator::start();
    let settings = settings(&coordinator);
    let (clock, mut sleeps) = HandClock::new();
    let client = Client::new(&settings.coordinator).unwrap();
    let rules = settings.rules;
    let access_keys = Arc::new(LiveAccessKeys::new(crate::keys::access::AccessKeys::default()));
    let kms = KmsKeys::new(ScriptedKms::default());
    let source = RemoteKeys::with(settings, client, kms, access_keys, Arc::clone(&clock) as _);
    source.refresh(&mut Cycle::new(Arc::new(KeyRing::empty()), "test", rules, 1)).await.unwrap();
    coordinator.script().is_down = true;
    let mut waits = Vec::new();
    let news = source.changed();
    tokio::pin!(news);
    while waits.len() < 12 {
        tokio::select! {
            _ = &mut news => panic!("there is no news"),
            slept = sleeps.recv() => {
                waits.push(slept.unwrap());
                clock.ring(Duration::ZERO);
            }
        }
    }
    let longest = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60].map(Duration::from_secs);
    for (wait, longest) in waits.iter().zip(longest) {
        assert!((longest / 2..=longest).contains(wait), "{waits:?}");
    }
    let varied: std::collections::BTreeSet<_> = waits[6..].iter().collect();
    assert!(varied.len() > 1, "{waits:?}");
    // news again at once, and the waits begin anew
    coordinator.script().is_down = false;
    coordinator.tell(public("a", 1));
    assert_eq!(news.await, Extent::News);
}

#[tokio::test]
async fn a_poll_with_nothing_new_starts_no_cycle() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.refresher.cycle().await;
    let before = setup.keys.snapshot();
    let news = setup.source.changed();
    tokio::pin!(news);
    let asked = || setup.coordinator.script().asked.iter().filter(|asked| asked.contains("wait")).count();
    while asked() == 0 {
        tokio::select! {
            _ = &mut news => panic!("there is no news"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(Arc::ptr_eq(&before, &setup.keys.snapshot()));
    setup.coordinator.tell(public("b", 2));
    assert_eq!(news.await, Extent::News);
}

#[tokio::test]
async fn many_changes_are_put_in_force_some_at_a_time() {
    let setup = setup();
    setup.coordinator.script().page_tenants = 4_000;
    setup.refresher.cycle().await;
    for number in 0..14_000 {
        setup.coordinator.tell(json!({"id": format!("t{number}"), "zero_knowledge": true}));
    }
    setup.refresher.cycle().await;
    assert_eq!(setup.source.position().unwrap().revision, 12_000);
    assert_eq!(setup.source.changed().await, Extent::News);
    setup.refresher.cycle().await;
    assert_eq!(setup.source.position().unwrap().revision, 14_000);
}
