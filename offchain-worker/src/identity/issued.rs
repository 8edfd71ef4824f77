//! All certificates that others have signed for the gateway's keys, until they run out: those of a former key are revoked,
//! as it may have been given up because somebody else has it.

use super::{current, hash, CertificateDer, Identity};
use crate::{reconcile::unix_now, store::write_whole};
use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The folder of certificates, one below it for each key.
const ISSUED: &str = "issued";

/// What is in a folder; nothing, if there is none.
fn inside(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
	let all = match std::fs::read_dir(folder) {
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
		all => all.and_then(|all| all.map(|one| Ok(one?.path())).collect()),
	};
	all.with_context(|| folder.display().to_string())
}

/// A certificate that is still valid; one that has run out is removed.
fn valid(path: &Path) -> anyhow::Result<Option<CertificateDer<'static>>> {
	let named = || path.display().to_string();
	let read = std::fs::read(path).with_context(named)?;
	if has_run_out(&read) {
		std::fs::remove_file(path).with_context(named)?;
		return Ok(None);
	}
	Ok(Some(read.into()))
}

/// Unix seconds at which a certificate runs out.
fn end_of(certificate: &[u8]) -> Option<u64> {
	let (_, read) = X509Certificate::from_der(certificate).ok()?;
	read.validity().not_after.timestamp().try_into().ok()
}

fn has_run_out(certificate: &[u8]) -> bool {
	end_of(certificate).is_none_or(|end| end < unix_now())
}

/// Certificates for keys that the gateway has had.
#[derive(Debug, Default)]
pub struct Former {
	/// Those that have not run out, and where each stands.
	pub valid: Vec<(PathBuf, CertificateDer<'static>)>,
	/// Why one could not be read.
	pub unread: Option<anyhow::Error>,
}

impl Identity {
	fn issued_for(&self, key: [u8; 32]) -> PathBuf {
		self.keys.join(ISSUED).join(hex::encode(key))
	}

	/// Notes that a chain was issued for a key, whatever becomes of it, and forgets what has run out.
	pub(super) fn note_issued(&self, chain: &[u8], key: [u8; 32]) -> anyhow::Result<()> {
		let Ok(certificate) = CertificateDer::from_pem_slice(chain) else {
			return Ok(());
		};
		let folder = self.issued_for(key);
		std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
		for path in inside(&folder)? {
			// One that cannot be read keeps no other from being noted: it is told when it is looked for.
			let _ = valid(&path);
		}
		let name = hex::encode(Sha256::digest(&certificate));
		let path = folder.join(name).with_extension("der");
		write_whole(&path, &certificate).with_context(|| path.display().to_string())
	}

	/// What there is for keys that the gateway has had; folders that are empty go.
	pub fn former(&self) -> anyhow::Result<Former> {
		let present = self.issued_for(hash(&current(&self.keys)?));
		let mut former = Former::default();
		for folder in inside(&self.keys.join(ISSUED))? {
			if folder == present {
				continue;
			}
			for path in inside(&folder)? {
				match valid(&path) {
					Ok(Some(certificate)) => former.valid.push((path, certificate)),
					Ok(None) => {}
					Err(error) => former.unread = Some(error),
				}
			}
			// Kept while there is something in it.
			let _ = std::fs::remove_dir(folder);
		}
		Ok(former)
	}
}
