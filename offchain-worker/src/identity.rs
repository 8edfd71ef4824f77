//! What the gateway is known by: the TLS key whose hash is on chain, and the key that manifests are sealed to.
//!
//! `keys/gateway.pem` is the TLS key, `keys/gateway.chain.pem` a certificate for it, `keys/gateway.next.pem` the one that takes its place during a rotation,
//! `keys/sealing.key` the X25519 key, `keys/issued/` all certificates that are still valid. What is missing is drawn anew; `register` and `update` put it on chain.

use crate::{
	config::Gateway,
	reconcile::unix_now,
	store::{sync, write_secret, write_whole},
};
use anyhow::{ensure, Context as _};
use leasehold_client::{
	keystore,
	seal::{self, Place, SealError},
	tls,
};
use rcgen::{
	CertificateParams, CustomExtension, DistinguishedName, KeyPair, PublicKeyData as _,
	PKCS_ECDSA_P256_SHA256,
};
use rustls::{
	crypto::ring,
	pki_types::{pem::PemObject as _, CertificateDer, PrivateKeyDer, ServerName},
	server::{ClientHello, ResolvesServerCert},
	sign::CertifiedKey,
	version::TLS13,
	ServerConfig,
};
use std::{
	collections::HashMap,
	path::{Path, PathBuf},
	sync::{Arc, RwLock},
	time::SystemTime,
};
use webpki::EndEntityCert;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

const CURRENT: &str = "gateway.pem";
const NEXT: &str = "gateway.next.pem";
const SEALING: &str = "sealing.key";
/// The certificate for the gateway's own host, if somebody else has signed one.
const CHAIN: &str = "gateway.chain.pem";
/// The folder of certificates for tenants' own host names.
const OTHERS: &str = "names";
/// What an ACME server speaks that asks whether a name leads here.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The gateway's keys.
#[derive(Debug)]
pub struct Identity {
	/// `keys/` of the daemon's folder.
	keys: PathBuf,
	/// Host of the gateway's URL.
	host: String,
	sealing: [u8; 32],
	served: RwLock<Served>,
	/// For names of services.
	names: Option<Names>,
	/// For host names of tenants' own, which somebody else has signed certificates for.
	others: RwLock<HashMap<String, Served>>,
	/// What proves to an ACME server that a name leads here, while it asks.
	challenge: RwLock<Option<(String, Arc<CertifiedKey>)>>,
	/// Whether such a server may ask.
	acme: bool,
	/// Woken when the TLS key has become another.
	pub changed: tokio::sync::Notify,
}

/// What is shown, and the hash of its key.
#[derive(Debug)]
struct Served {
	hash: [u8; 32],
	key: Arc<CertifiedKey>,
	/// Unix seconds from which on another certificate is due; 0 if this one is signed by nobody else.
	due: u64,
}

impl Served {
	fn of(pair: &KeyPair, host: &str) -> anyhow::Result<Self> {
		Ok(Self {
			hash: hash(pair),
			key: certified(pair, host)?,
			due: 0,
		})
	}

	/// With a certificate of somebody else's, if it is for this key and this host and has not run out.
	fn with(pair: &KeyPair, host: &str, chain: &[u8]) -> anyhow::Result<Self> {
		let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
		let first = chain.first().context("there is no certificate in it")?;
		let (_, read) = X509Certificate::from_der(first)?;
		let hash = hash(pair);
		ensure!(
			tls::key_hash(read.tbs_certificate.subject_pki.raw) == hash,
			"the certificate is for another key"
		);
		let name = ServerName::try_from(host)?;
		EndEntityCert::try_from(first)
			.and_then(|certificate| certificate.verify_is_valid_for_subject_name(&name))
			.with_context(|| format!("the certificate is not for {host}"))?;
		let validity = read.validity();
		let seconds = |time: ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
		let (begin, end) = (seconds(validity.not_before), seconds(validity.not_after));
		ensure!(unix_now() < end, "the certificate has run out");
		Ok(Self {
			hash,
			key: with_certificate(pair, chain.clone())?,
			// A third of its life is left then.
			due: end.saturating_sub(end.saturating_sub(begin) / 3),
		})
	}
}

/// What is shown to who asks for the name of a service.
#[derive(Debug)]
struct Names {
	domain: String,
	/// Certificate and key, if the operator has such.
	files: Option<(PathBuf, PathBuf)>,
	served: RwLock<(Option<SystemTime>, Arc<CertifiedKey>)>,
}

/// The host of a URL, without brackets.
pub fn host(url: &str) -> anyhow::Result<String> {
	let url = reqwest::Url::parse(url).with_context(|| format!("`{url}` is no address"))?;
	let host = url.host_str().context("the address has no host")?;
	Ok(host.trim_matches(['[', ']']).to_owned())
}

/// Reads a secret file; where there is none, one with what `draw` gives is made, whole or not at all.
fn read_or_draw(
	path: &Path,
	draw: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
	let named = || path.display().to_string();
	match std::fs::read(path) {
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
		read => return read.with_context(named),
	}
	tracing::info!(path = %path.display(), "a new key is drawn");
	write_secret(path, &draw()?)?;
	std::fs::read(path).with_context(named)
}

fn draw_pair() -> anyhow::Result<Vec<u8>> {
	let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
	Ok(pair.serialize_pem().into_bytes())
}

/// The key pair in a file, if there is one.
fn pair(path: &Path) -> anyhow::Result<Option<KeyPair>> {
	let named = || path.display().to_string();
	let text = match std::fs::read_to_string(path) {
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
		read => read.with_context(named)?,
	};
	let why = || format!("{}: damaged; remove it to have another drawn", named());
	KeyPair::from_pem(&text).map(Some).with_context(why)
}

/// The key pair that is served, of a folder of keys.
fn current(keys: &Path) -> anyhow::Result<KeyPair> {
	pair(&keys.join(CURRENT))?.context("the TLS key has gone")
}

fn hash(pair: &KeyPair) -> [u8; 32] {
	tls::key_hash(&pair.subject_public_key_info())
}

/// A certificate that the key has signed for itself: who goes by the key needs no other.
fn certified(pair: &KeyPair, host: &str) -> anyhow::Result<Arc<CertifiedKey>> {
	let certificate = CertificateParams::new(vec![host.to_owned()])?.self_signed(pair)?;
	with_certificate(pair, vec![certificate.der().clone()])
}

fn with_certificate(
	pair: &KeyPair,
	chain: Vec<CertificateDer<'static>>,
) -> anyhow::Result<Arc<CertifiedKey>> {
	let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
	let key = ring::sign::any_supported_type(&key)?;
	Ok(Arc::new(CertifiedKey::new(chain, key)))
}

impl Identity {
	/// The keys of a daemon's folder, with what is missing.
	pub fn open(folder: &Path, config: &Gateway) -> anyhow::Result<Self> {
		let keys = folder.join("keys");
		let host = host(&config.url)?;
		let sealing = read_or_draw(
			&keys.join(SEALING),
			|| Ok(keystore::random_seed()?.to_vec()),
		)?;
		let sealing = sealing.try_into().ok().with_context(|| {
			format!("{}: it is not 32 bytes long", keys.join(SEALING).display())
		})?;
		read_or_draw(&keys.join(CURRENT), draw_pair)?;
		let pair = current(&keys)?;
		let acme = config.acme.is_some();
		let chain = std::fs::read(keys.join(CHAIN)).ok().filter(|_| acme);
		let served = chain.map(|chain| Served::with(&pair, &host, &chain));
		let served = match served {
			Some(Ok(served)) => served,
			other => {
				if let Some(Err(error)) = other {
					tracing::info!("the certificate is not used any more: {error:#}");
				}
				Served::of(&pair, &host)?
			}
		};
		Ok(Self {
			served: RwLock::new(served),
			others: RwLock::default(),
			challenge: RwLock::default(),
			acme,
			changed: tokio::sync::Notify::new(),
			names: Names::of(config, &pair)?,
			keys,
			host,
			sealing,
		})
	}

	/// The first key of a daemon's folder that is not there.
	pub fn missing(folder: &Path) -> Option<PathBuf> {
		let keys = [CURRENT, SEALING].map(|name| folder.join("keys").join(name));
		keys.into_iter().find(|key| !key.exists())
	}

	/// The hash of the TLS key that is served.
	pub fn tls_key(&self) -> anyhow::Result<[u8; 32]> {
		let served = self.served.read().ok();
		Ok(served.context("the TLS key is locked")?.hash)
	}

	/// The hash of the next one, if there is one.
	pub fn next_tls_key(&self) -> anyhow::Result<Option<[u8; 32]>> {
		Ok(pair(&self.keys.join(NEXT))?.as_ref().map(hash))
	}

	/// What stands on chain: the hashes of both.
	pub fn tls_keys(&self) -> anyhow::Result<Vec<[u8; 32]>> {
		let keys = [Some(self.tls_key()?), self.next_tls_key()?];
		Ok(keys.into_iter().flatten().collect())
	}

	/// The public key that manifests are sealed to.
	pub fn sealing_key(&self) -> anyhow::Result<[u8; 32]> {
		Ok(seal::public_key(&self.sealing)?)
	}

	/// Opens a sealed manifest.
	pub fn unseal(&self, place: Place, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
		seal::open(&self.sealing, place, bytes)
	}

	/// Draws the next TLS key, unless it is there: its hash. It is not used before [`Self::advance`].
	pub fn draw_next(&self) -> anyhow::Result<[u8; 32]> {
		read_or_draw(&self.keys.join(NEXT), draw_pair)?;
		self.next_tls_key()?.context("the next TLS key has gone")
	}

	/// Lets the next TLS key take the place of the present one, if it is the one with this hash.
	pub fn advance(&self, expected: [u8; 32]) -> anyhow::Result<()> {
		let (current, next) = (self.keys.join(CURRENT), self.keys.join(NEXT));
		let pair = pair(&next)?.context("there is no next TLS key")?;
		let served = Served::of(&pair, &self.host)?;
		ensure!(
			served.hash == expected,
			"the next TLS key is not the one that the chain was told"
		);
		std::fs::rename(&next, &current)
			.and_then(|()| sync(&self.keys))
			.with_context(|| current.display().to_string())?;
		let mut had = self.served.write();
		*had.as_deref_mut().ok().context("the TLS key is locked")? = served;
		drop(had);
		if let Ok(mut others) = self.others.write() {
			others.clear();
		}
		self.changed.notify_one();
		// What the gateway has signed itself for names of services was of the former key.
		match &self.names {
			Some(names) if names.files.is_none() => names.sign(&pair),
			_ => Ok(()),
		}
	}

	/// The gateway's own host.
	pub fn host(&self) -> &str {
		&self.host
	}

	/// Where the certificate for a host is kept.
	fn chain_of(&self, host: &str) -> PathBuf {
		match host == self.host {
			true => self.keys.join(CHAIN),
			false => self.keys.join(OTHERS).join(format!("{host}.pem")),
		}
	}

	/// Unix seconds from which on another certificate is due for a host.
	pub fn certificate_due(&self, host: &str) -> u64 {
		if host == self.host {
			return self.served.read().map_or(u64::MAX, |served| served.due);
		}
		let known = self.others.read();
		if let Ok(Some(served)) = known.as_ref().map(|others| others.get(host)) {
			return served.due;
		}
		drop(known);
		// An earlier life may have had one.
		let path = self.chain_of(host);
		let Ok(chain) = std::fs::read(&path) else {
			return 0;
		};
		let read = current(&self.keys).and_then(|pair| Served::with(&pair, host, &chain));
		match read {
			Ok(served) => {
				let due = served.due;
				if let Ok(mut others) = self.others.write() {
					others.insert(host.to_owned(), served);
				}
				due
			}
			Err(error) => {
				tracing::info!(host, "a certificate is not used any more: {error:#}");
				let _ = std::fs::remove_file(path);
				0
			}
		}
	}

	/// Forgets the certificates of names that nobody wants any more.
	pub fn forget(&self, is_forgotten: impl Fn(&str) -> bool) {
		if let Ok(mut others) = self.others.write() {
			others.retain(|host, _| !is_forgotten(host));
		}
		let kept = std::fs::read_dir(self.keys.join(OTHERS));
		for path in kept.into_iter().flatten().flatten().map(|one| one.path()) {
			let host = path.file_stem().and_then(|host| host.to_str());
			if host.is_some_and(&is_forgotten) {
				let _ = std::fs::remove_file(path);
			}
		}
	}

	/// What is asked of who signs certificates for a host, and the hash of the key that it is for.
	pub fn request(&self, host: &str) -> anyhow::Result<(Vec<u8>, [u8; 32])> {
		let pair = current(&self.keys)?;
		let mut asked = CertificateParams::new(vec![host.to_owned()])?;
		// A name in it would be one more that the server is asked for.
		asked.distinguished_name = DistinguishedName::new();
		let csr = asked.serialize_request(&pair)?.der().to_vec();
		Ok((csr, hash(&pair)))
	}

	/// Shows a certificate for a host from now on, and keeps it.
	pub fn certify(&self, host: &str, chain: &str, key: [u8; 32]) -> anyhow::Result<()> {
		self.note_issued(chain.as_bytes(), key)?;
		let pair = current(&self.keys)?;
		ensure!(hash(&pair) == key, "the TLS key has changed meanwhile");
		let served = Served::with(&pair, host, chain.as_bytes())?;
		let path = self.chain_of(host);
		let folder = path.parent().unwrap_or(&self.keys);
		std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
		write_whole(&path, chain.as_bytes()).with_context(|| path.display().to_string())?;
		if host != self.host {
			let mut others = self.others.write();
			let others = others.as_deref_mut().ok();
			let others = others.context("the certificates are locked")?;
			others.insert(host.to_owned(), served);
			return Ok(());
		}
		let mut had = self.served.write();
		let had = had.as_deref_mut().ok().context("the TLS key is locked")?;
		ensure!(had.hash == key, "the TLS key has changed meanwhile");
		*had = served;
		Ok(())
	}

	/// Proves to an ACME server from now on that a host leads here: the digest of what it has asked.
	pub fn challenged(&self, host: &str, digest: &[u8]) -> anyhow::Result<()> {
		ensure!(digest.len() == 32, "the server's question is malformed");
		// A key of its own: what it signs is nobody else's to use.
		let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
		let mut proof = CertificateParams::new(vec![host.to_owned()])?;
		proof.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
		let certificate = proof.self_signed(&pair)?.der().clone();
		let mut challenge = self.challenge.write();
		let challenge = challenge.as_deref_mut().ok();
		let proof = with_certificate(&pair, vec![certificate])?;
		*challenge.context("the challenge is locked")? = Some((host.to_owned(), proof));
		Ok(())
	}

	/// No ACME server asks any more.
	pub fn no_challenge(&self) {
		if let Ok(mut challenge) = self.challenge.write() {
			*challenge = None;
		}
	}

	/// Reads the certificate for names of services again if it has changed.
	pub fn renew_names(&self) {
		let renewed = self.names.as_ref().map(Names::renew);
		if let Some(Err(error)) = renewed {
			tracing::warn!("the certificate for names of services stays as it was: {error:#}");
		}
	}

	/// How the gateway speaks TLS: 1.3 alone, which every client of ours and every browser of today speaks.
	pub fn server_config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
		let provider = Arc::new(ring::default_provider());
		let mut config = ServerConfig::builder_with_provider(provider)
			.with_protocol_versions(&[&TLS13])?
			.with_no_client_auth()
			.with_cert_resolver(self.clone());
		config.alpn_protocols = vec![b"http/1.1".to_vec()];
		if self.acme {
			config.alpn_protocols.push(ACME_TLS.to_vec());
		}
		Ok(config)
	}
}

impl ResolvesServerCert for Identity {
	fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
		let mut protocols = hello.alpn().into_iter().flatten();
		if self.acme && protocols.any(|protocol| protocol == ACME_TLS) {
			let challenge = self.challenge.read().ok()?.clone();
			let (_, proof) =
				challenge.filter(|(host, _)| hello.server_name() == Some(host.as_str()))?;
			return Some(proof);
		}
		let asked = hello.server_name().filter(|name| *name != self.host);
		if let Some(asked) = asked {
			let others = self.others.read().ok();
			if let Some(served) = others.as_ref().and_then(|others| others.get(asked)) {
				return Some(served.key.clone());
			}
		}
		let names = self.names.as_ref().zip(asked);
		if let Some((names, _)) = names.filter(|(names, asked)| names.has(asked)) {
			return names.served.read().ok().map(|served| served.1.clone());
		}
		self.served.read().ok().map(|served| served.key.clone())
	}
}

/// When a file was changed last.
fn changed(path: &Path) -> anyhow::Result<SystemTime> {
	let meta = std::fs::metadata(path).and_then(|meta| meta.modified());
	meta.with_context(|| path.display().to_string())
}

/// The operator's own certificate.
fn read_certificate(chain: &Path, key: &Path) -> anyhow::Result<Arc<CertifiedKey>> {
	let certificates = CertificateDer::pem_file_iter(chain)
		.and_then(|all| all.collect::<Result<Vec<_>, _>>())
		.with_context(|| chain.display().to_string())?;
	let named = || key.display().to_string();
	let private = PrivateKeyDer::from_pem_file(key).with_context(named)?;
	let private = ring::sign::any_supported_type(&private).with_context(named)?;
	let certified = CertifiedKey::new(certificates, private);
	certified
		.keys_match()
		.with_context(|| format!("{}: its key is another", chain.display()))?;
	Ok(Arc::new(certified))
}

impl Names {
	fn of(config: &Gateway, pair: &KeyPair) -> anyhow::Result<Option<Self>> {
		let Some(domain) = config.domain.clone() else {
			return Ok(None);
		};
		let files = config
			.certificate
			.clone()
			.zip(config.certificate_key.clone());
		let served = match &files {
			Some((chain, key)) => (Some(changed(chain)?), read_certificate(chain, key)?),
			None => (None, certified(pair, &format!("*.{domain}"))?),
		};
		Ok(Some(Self {
			domain,
			files,
			served: RwLock::new(served),
		}))
	}

	/// Shows a certificate that this key has signed for itself.
	fn sign(&self, pair: &KeyPair) -> anyhow::Result<()> {
		let certified = certified(pair, &format!("*.{}", self.domain))?;
		let mut served = self.served.write();
		let served = served.as_deref_mut().ok();
		*served.context("the certificate for names is locked")? = (None, certified);
		Ok(())
	}

	fn has(&self, name: &str) -> bool {
		let below = name.strip_suffix(&self.domain);
		below.is_some_and(|below| below.ends_with('.'))
	}

	/// Reads the certificate again if it has changed.
	fn renew(&self) -> anyhow::Result<()> {
		let Some((chain, key)) = &self.files else {
			return Ok(());
		};
		let now = Some(changed(chain)?);
		let had = self.served.read().map_or(now, |served| served.0);
		if now == had {
			return Ok(());
		}
		let certified = read_certificate(chain, key)?;
		if let Ok(mut served) = self.served.write() {
			*served = (now, certified);
			tracing::info!("the certificate for names of services is read anew");
		}
		Ok(())
	}
}

/// Whether this can be the URL of a gateway.
pub fn is_url(url: &str) -> bool {
	url.starts_with("https://") && host(url).is_ok()
}

mod issued;
#[cfg(test)]
mod tests;
