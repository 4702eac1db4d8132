//! What a tenant that behaves sees while others attack: `cargo bench --bench gateway -- attack` measures one gateway over its
//! own store, alone, while strangers and a greedy tenant hold all they can, and while frames of HTTP/2 flood it.
//!
//! Any answer but 2xx to the tenant ends the bench. Everybody comes from the same address.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Failure;
use super::contenders::{Attacked, SECRET};
use super::load::{Extent, Outcome, Target, Verb, keys_of};
use super::sign::sign;

/// Measures; gives lines for the document.
pub(super) async fn measure(attacked: &Attacked, duration: Duration) -> Result<String, Failure> {
    let target = attacked.target("AKIABENCH", "calm");
    target.create_bucket().await?;
    let hall = attacked.target(GREEDY, "hall");
    hall.create_bucket().await?;
    let long = Extent { connections: 1, duration: Duration::from_mins(1), bytes_max: LONG_BYTES };
    hall.load(Verb::Put(LONG_BYTES), long).await?;
    // every object is there before it is asked for
    let fill = Extent { connections: 1, duration: Duration::from_mins(1), bytes_max: keys_of(4096) * 4096 };
    target.load(Verb::Put(4096), fill).await?;
    let mut text = String::new();
    for what in ["alone", "beside all that hold what they can", "beside a flood of frames"] {
        let mut attackers = JoinSet::new();
        match what {
            "beside all that hold what they can" => hold(&mut attackers, &hall)?,
            "beside a flood of frames" => flood(&mut attackers, &hall),
            _ => {}
        }
        // long enough for all of them to have come
        tokio::time::sleep(Duration::from_secs(2)).await;
        attacked.gateway.forget_peak();
        for verb in [Verb::Put(4096), Verb::Get(4096), Verb::Head] {
            let outcome = target.load(verb, Extent { connections: 4, duration, bytes_max: u64::MAX }).await?;
            line(&mut text, verb, what, &outcome)?;
        }
        let peak = attacked.gateway.usage()?.peak_bytes >> 20;
        writeln!(text, "  {peak} MiB resident at most")?;
        attackers.shutdown().await;
    }
    Ok(text)
}

fn line(text: &mut String, verb: Verb, what: &str, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { requests, p50_ms, p99_ms, longest_ms, .. } = outcome;
    let verb = format!("{verb:?}");
    writeln!(
        text,
        "{verb:<10} {what}: {requests} requests, all answered well; p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, longest {longest_ms:.2} ms"
    )?;
    Ok(())
}

/// Sockets that are kept, and opened again when they are cut.
fn hold(attackers: &mut JoinSet<()>, hall: &Target) -> Result<(), Failure> {
    let form = "POST /hall HTTP/1.1\r\nHost: s3\r\nContent-Type: multipart/form-data; boundary=B\r\n\
        Content-Length: 8388608\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nab";
    let reader = format!("GET /hall/{LONG_BYTES}/0 HTTP/1.1\r\nHost: s3\r\n\r\n");
    let document = signed(hall, &Method::POST, "/hall/x?uploadId=u")?;
    let upload = signed(hall, &Method::PUT, "/hall/slow")?;
    let kinds: [(usize, Vec<u8>); 5] = [
        (500, form.into()),
        (1_000, b"GET / HTTP/1.1\r\nHost: s3\r\nX-Slow: ".to_vec()),
        (500, document),
        (1_000, upload),
        (500, reader.into()),
    ];
    for (count, bytes) in kinds {
        let bytes: Arc<[u8]> = bytes.into();
        for _ in 0..count {
            let (address, bytes) = (hall.address.clone(), Arc::clone(&bytes));
            attackers.spawn(async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&address).await
                        && stream.write_all(&bytes).await.is_ok()
                    {
                        // reads next to nothing, and waits to be cut
                        stream.read_exact(&mut [0; 1 << 10]).await.ok();
                        stream.readable().await.ok();
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            });
        }
    }
    Ok(())
}

/// A request whose long body does not come.
fn signed(hall: &Target, method: &Method, target: &str) -> Result<Vec<u8>, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert("host", hall.address.parse()?);
    let uri = format!("http://{}{target}", hall.address).parse()?;
    headers.extend(sign(method, &uri, &headers, &hall.credentials)?);
    let mut head = format!("{method} {target} HTTP/1.1\r\ncontent-length: 8000000\r\n");
    for (name, value) in &headers {
        write!(head, "{name}: {}\r\n", value.to_str()?)?;
    }
    head.push_str("\r\n<");
    Ok(head.into())
}

/// One connection of HTTP/2 that sends PRIORITY as fast as it can, and comes again when it is cut.
fn flood(attackers: &mut JoinSet<()>, hall: &Target) {
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let frames: Vec<u8> = [0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 16].repeat(1_000);
    let address = hall.address.clone();
    attackers.spawn(async move {
        loop {
            if let Ok(mut stream) = TcpStream::connect(&address).await
                && stream.write_all(begin).await.is_ok()
            {
                while stream.write_all(&frames).await.is_ok() {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

impl Attacked {
    fn target(&self, key: &str, bucket: &str) -> Target {
        Target {
            address: self.address.clone(),
            credentials: Credentials::new(key, SECRET, None, None, "bench"),
            bucket: bucket.to_owned(),
            upload_headers: Vec::new(),
        }
    }
}

/// The access key of the tenant that takes all it can; its bucket `hall` may be read by anybody.
pub(super) const GREEDY: &str = "AKIAGREEDY";
/// Whoever was refused or cut comes again after this: they hold, and do not flood.
const AGAIN: Duration = Duration::from_secs(5);
/// More than the sockets between take.
const LONG_BYTES: u64 = 32 << 20;
