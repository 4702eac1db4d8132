use super::*;

const MIB: u64 = 1 << 20;

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// Requests that count until they are dropped, as many as are let in.
fn as_many(budget: &Budget, address: IpAddr, admit: impl Fn(&Share) -> Result<(), Failure>) -> Vec<InFlight> {
    let mut all = Vec::new();
    loop {
        let share = budget.share(address);
        if admit(&share).is_err() {
            return all;
        }
        all.push(InFlight::new(share));
        assert!(all.len() < 10_000);
    }
}

fn admit(tenant: &str) -> impl Fn(&Share) -> Result<(), Failure> + '_ {
    move |share| share.admit(tenant)
}

#[test]
fn whoever_is_alone_has_three_quarters() {
    let budget = Budget::new(1_024, 1_024 * STREAM_BYTES);
    assert_eq!(as_many(&budget, address(1), admit("one")).len(), 768);
    let budget = Budget::new(100_000, 256 * MIB);
    assert_eq!(as_many(&budget, address(1), admit("one")).len(), 768, "256 KiB each");
}

#[test]
fn nobody_takes_the_room_of_those_who_come_later() {
    type Attack = fn(&Budget) -> Vec<InFlight>;
    let attacks: [Attack; 3] = [
        |budget| as_many(budget, address(1), admit("greedy")),
        |budget| (1..=50).flat_map(|last| as_many(budget, address(last), Share::admit_public)).collect(),
        |budget| (1..=50).flat_map(|last| as_many(budget, address(last), Share::admit_form)).collect(),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let budget = Budget::new(1_024, 256 * MIB);
        let _attack = order.map(|number: usize| attacks[number](&budget));
        let modest = as_many(&budget, address(1), admit("modest"));
        assert!(modest.len() >= 64, "{} from the same address, in order {order:?}", modest.len());
        let another = as_many(&budget, address(1), admit("another"));
        assert!(another.len() >= 16, "{} for one more, in order {order:?}", another.len());
    }
}

#[test]
fn several_greedy_tenants_leave_room_to_modest_ones() {
    let budget = Budget::new(1_024, 256 * MIB);
    let _greedy: Vec<_> = (0..3).flat_map(|number| as_many(&budget, address(1), admit(&number.to_string()))).collect();
    let modest = as_many(&budget, address(1), admit("modest"));
    assert!(modest.len() >= 64, "{}", modest.len());
}

#[test]
fn forms_of_strangers_leave_nearly_everything() {
    let budget = Budget::new(1_024, 256 * MIB);
    let forms: Vec<_> = (1..=100).flat_map(|last| as_many(&budget, address(last), Share::admit_form)).collect();
    assert_eq!(forms.len(), 128, "an eighth of the requests");
    assert!(as_many(&budget, address(1), admit("tenant")).len() >= 640);
}

#[test]
fn readers_of_public_buckets_leave_room_to_each_other_and_to_tenants() {
    let budget = Budget::new(1_024, 256 * MIB);
    let first = as_many(&budget, address(1), Share::admit_public);
    assert_eq!(first.len(), 384);
    assert!(as_many(&budget, address(2), Share::admit_public).len() >= 64);
    assert!(as_many(&budget, address(1), admit("tenant")).len() >= 256);
}

#[test]
fn what_is_full_is_told() {
    let refused = |budget: &Budget, tenant: &str| match budget.share(address(1)).admit(tenant) {
        Err(Failure::Full(full)) => full,
        other => panic!("{other:?}"),
    };
    let budget = Budget::new(8, 256 * MIB);
    let _most = as_many(&budget, address(1), admit("one"));
    assert_eq!(refused(&budget, "one"), Full::ShareOfRequests);
    let _rest: Vec<_> = (0..8).flat_map(|tenant| as_many(&budget, address(1), admit(&tenant.to_string()))).collect();
    assert_eq!(refused(&budget, "late"), Full::Requests);
    let budget = Budget::new(1_000, 2 * MIB);
    let _most = as_many(&budget, address(1), admit("one"));
    assert_eq!(refused(&budget, "one"), Full::ShareOfBytes);
    let _rest: Vec<_> = (0..8).flat_map(|tenant| as_many(&budget, address(1), admit(&tenant.to_string()))).collect();
    assert_eq!(refused(&budget, "late"), Full::Bytes);
}

#[test]
fn a_request_over_the_whole_budget_still_fits_alone() {
    let budget = Budget::new(1, 1_024);
    let first = budget.share(address(1));
    first.admit("one").unwrap();
    assert!(budget.share(address(1)).admit("one").is_err());
    drop(InFlight::new(first));
    budget.share(address(1)).admit("one").unwrap();
}

#[test]
fn a_form_becomes_a_request_of_its_tenant() {
    let budget = Budget::new(16, 64 * MIB);
    let share = budget.share(address(1));
    share.admit_form().unwrap();
    let mut held = share.held();
    held.set(MIB).unwrap();
    assert_eq!(budget.state().forms, Use { requests: 1, kibibytes: 1_024 + 64 });
    share.admit("tenant").unwrap();
    held.set(MIB).unwrap();
    assert_eq!(budget.state().forms, Use::default());
    let tenant = Party::Tenant("tenant".into());
    assert_eq!(budget.state().parties[&tenant], Use { requests: 1, kibibytes: 1_024 + 256 });
}

#[test]
fn what_is_held_grows_and_shrinks_and_is_given_back() {
    let budget = Budget::new(16, 8 * MIB);
    let share = budget.share(address(1));
    let in_flight = InFlight::new(share.clone());
    share.admit("tenant").unwrap();
    let mut held = share.held();
    held.set(4 * MIB).unwrap();
    assert_eq!(held.set(7 * MIB), Err(Full::ShareOfBytes), "it would have more than three quarters");
    assert_eq!(budget.state().all.kibibytes, 4 * 1_024 + 256, "what did not fit is not counted");
    held.set(1).unwrap();
    assert_eq!(budget.state().all.kibibytes, 64 + 256);
    share.keep(held);
    drop(share);
    drop(in_flight);
    assert_eq!(budget.state().all, Use::default());
    assert!(budget.state().parties.is_empty(), "nobody is remembered");
}

#[tokio::test]
async fn work_for_a_request_counts_for_it() {
    let budget = Budget::new(16, 8 * MIB);
    let share = budget.share(address(1));
    let in_flight = InFlight::new(share.clone());
    share.admit("tenant").unwrap();
    let work = async {
        hold_until_end(STREAM_BYTES / 2).unwrap();
        let small = budget.state().all.kibibytes;
        hold_until_end(2 * MIB).unwrap();
        (small, hold_until_end(6 * MIB).map_err(|error| error.code().clone()))
    };
    let (small, refused) = share.clone().during(work).await;
    assert_eq!(small, 256, "there is room for a little");
    assert_eq!(refused, Err(s3s::S3ErrorCode::SlowDown));
    assert_eq!(share.failure(), Some(Failure::Full(Full::ShareOfBytes)));
    drop(in_flight);
    assert_eq!(budget.state().all, Use::default());
    hold_until_end(100 * MIB).unwrap();
}

#[test]
fn the_addresses_of_an_ipv6_network_are_one() {
    let parse = |text: &str| network(text.parse().unwrap());
    assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
    assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
    assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
}
