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

fn inside(folder: &Path) -> Vec<PathBuf> {
	let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
	all.map(|one| one.path()).collect()
}

/// Unix seconds at which a certificate runs out.
fn end_of(certificate: &[u8]) -> Option<u64> {
	let (_, read) = X509Certificate::from_der(certificate).ok()?;
	read.validity().not_after.timestamp().try_into().ok()
}

fn has_run_out(certificate: &[u8]) -> bool {
	end_of(certificate).is_none_or(|end| end < unix_now())
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
		for path in inside(&folder) {
			if std::fs::read(&path).is_ok_and(|had| has_run_out(&had)) {
				let _ = std::fs::remove_file(path);
			}
		}
		let name = hex::encode(Sha256::digest(&certificate));
		let path = folder.join(name).with_extension("der");
		write_whole(&path, &certificate).with_context(|| path.display().to_string())
	}

	/// What is still valid for keys that the gateway has had, and where each stands.
	pub fn former(&self) -> anyhow::Result<Vec<(PathBuf, CertificateDer<'static>)>> {
		let present = self.issued_for(hash(&current(&self.keys)?));
		let mut former = Vec::new();
		for folder in inside(&self.keys.join(ISSUED)) {
			if folder == present {
				continue;
			}
			for path in inside(&folder) {
				let read = std::fs::read(&path).with_context(|| path.display().to_string())?;
				match has_run_out(&read) {
					true => {
						std::fs::remove_file(&path).with_context(|| path.display().to_string())?
					}
					false => former.push((path, read.into())),
				}
			}
			// Kept while there is something in it.
			let _ = std::fs::remove_dir(folder);
		}
		Ok(former)
	}
}
