//! `sealgate open`: plaintext of a stored body, with the seed and nothing else of a gateway.
//!
//! The plaintext goes to a temporary file beside the target and gets its name once all of it was authenticated.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use clap::Args;

use crate::seal::{Binding, CustomerKey, Envelope, Kind, MultipartOpener, SealedLen, Seed, SingleOpener, TenantKey};

#[derive(Debug, Args)]
pub(super) struct Open {
    /// File with the tenant's key seed, base64; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    seed_file: PathBuf,
    /// The tenant's id
    #[arg(long, default_value = "default")]
    tenant: String,
    /// The bucket, as clients name it
    #[arg(long)]
    bucket: String,
    /// The object's key
    #[arg(long)]
    key: String,
    /// The envelope: value of the metadata `sealgate` [default: the copy at the start of a single object's body, good
    /// under the name that the object was uploaded as]
    #[arg(long, value_name = "TEXT")]
    envelope: Option<String>,
    /// Stored parts of a multipart object: the number after the dash of its entity tag
    #[arg(long, value_name = "N")]
    parts: Option<u32>,
    /// File with the customer's key (SSE-C), if the object was written with one: base64 of 32 bytes
    #[arg(long, value_name = "FILE")]
    customer_key_file: Option<PathBuf>,
    /// Where the plaintext goes
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The stored body
    file: PathBuf,
}

impl Open {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let key = TenantKey::from_seed(&seed(&self.seed_file)?);
        let mut file = File::open(&self.file).with_context(|| self.file.display().to_string())?;
        let stored = SealedLen::new(file.metadata()?.len());
        let envelope = match &self.envelope {
            Some(text) => Envelope::from_metadata(text).context("envelope")?,
            None => leading(&self.file)?,
        };
        if envelope.key_id() != key.key_id() {
            bail!("the object is sealed for key {}, the seed gives key {}", envelope.key_id(), key.key_id());
        }
        let binding = Binding::new(&self.tenant, &self.bucket, &self.key)?;
        let secret = envelope.open(&key, &binding)?;
        let joined = self.customer_key_file.as_deref().map(customer_key).transpose()?.map(|key| key.join(&secret).0);
        let body_secret = joined.as_ref().unwrap_or(&secret);
        let mut target = Target::create(&self.output)?;
        let mut out = BytesMut::new();
        match envelope.kind() {
            Kind::Single => {
                let mut opener = SingleOpener::new(body_secret, stored)?;
                pump(&mut file, &mut target, |sealed, out| opener.push(sealed, out))?;
                opener.finish()?;
            }
            Kind::Multipart => {
                let parts =
                    self.parts.context("a multipart object needs --parts: the number after the dash of its ETag")?;
                let mut opener = MultipartOpener::new(&secret, stored, parts)?.with_body_secret(body_secret);
                pump(&mut file, &mut target, |sealed, out| opener.push(sealed, out))?;
                opener.finish(&mut out)?;
            }
        }
        target.file.write_all(&out)?;
        target.keep()
    }
}

fn seed(path: &Path) -> anyhow::Result<Seed> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.with_context(|| path.display().to_string())?;
    Ok(Seed::from_base64(&text)?)
}

fn customer_key(path: &Path) -> anyhow::Result<CustomerKey> {
    let text = std::fs::read_to_string(path).map(zeroize::Zeroizing::new);
    let text = text.with_context(|| path.display().to_string())?;
    CustomerKey::from_base64(text.trim_end()).with_context(|| format!("{}: not base64 of 32 bytes", path.display()))
}

fn leading(path: &Path) -> anyhow::Result<Envelope> {
    let mut head = Vec::new();
    File::open(path)?.take(Envelope::BYTES as u64).read_to_end(&mut head)?;
    Envelope::parse(&head).context("the body does not begin with an envelope: give it with --envelope")
}

fn pump(
    source: &mut File,
    target: &mut Target,
    mut open: impl FnMut(&[u8], &mut BytesMut) -> Result<(), crate::seal::OpenError>,
) -> anyhow::Result<()> {
    let mut sealed = vec![0; READ_BYTES];
    let mut out = BytesMut::new();
    loop {
        let read = source.read(&mut sealed)?;
        if read == 0 {
            return Ok(());
        }
        open(&sealed[..read], &mut out)?;
        target.file.write_all(&out)?;
        out.clear();
    }
}

/// A file that is there only once it is whole.
struct Target {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl Target {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".opening");
        let temporary = PathBuf::from(temporary);
        // it was sealed, so it is for whoever opened it
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.with_context(|| temporary.display().to_string())?;
        Ok(Self { file, temporary, path: path.to_owned(), is_kept: false })
    }

    fn keep(mut self) -> anyhow::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path).with_context(|| self.path.display().to_string())?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing more can be done about a leftover that cannot be removed.
            let _left = std::fs::remove_file(&self.temporary);
        }
    }
}

const READ_BYTES: usize = 256 * 1024;
