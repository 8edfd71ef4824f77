//! What auditors say about providers.

use crate::{pallet::*, AccountIdOf, AttestationRecord};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{fungible::MutateHold, tokens::Precision},
};
use leasehold_primitives::{
	resources::has_attributes, Agenda, AgendaItem, AttestationId, Attributes, BlockNumber,
	ProviderId,
};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_attest(
		auditor: AccountIdOf<T>,
		provider: ProviderId,
		attributes: Attributes,
		lifetime: BlockNumber,
	) -> DispatchResult {
		let terms = Self::terms();
		ensure!(
			Providers::<T>::contains_key(provider),
			Error::<T>::UnknownProvider
		);
		let sound = !attributes.is_empty() && (1..=terms.max_attestation).contains(&lifetime);
		ensure!(sound, Error::<T>::InvalidAttestation);
		let expires = Self::now()
			.checked_add(lifetime)
			.ok_or(Error::<T>::Overflow)?;
		if let Some(former) = AttestedBy::<T>::get(provider, &auditor) {
			Self::end_attestation(former)?;
		}
		let id = NextAttestationId::<T>::get();
		NextAttestationId::<T>::put(id.checked_add(1).ok_or(Error::<T>::Overflow)?);
		let deposit = terms.attestation_deposit;
		Self::hold(HoldReason::Attestation, &auditor, deposit)?;
		AttestedBy::<T>::insert(provider, &auditor, id);
		Attestations::<T>::insert(
			id,
			AttestationRecord {
				auditor: auditor.clone(),
				provider,
				attributes: attributes.clone(),
				expires,
				deposit,
				due: T::Agenda::schedule(AgendaItem::Attestation(id), expires.saturating_add(1)),
			},
		);
		Self::deposit_event(Event::Attested {
			attestation: id,
			auditor,
			provider,
			attributes,
			expires,
			deposit,
		});
		Ok(())
	}

	pub(crate) fn do_revoke_attestation(
		auditor: AccountIdOf<T>,
		id: AttestationId,
	) -> DispatchResult {
		let record = Attestations::<T>::get(id).ok_or(Error::<T>::UnknownAttestation)?;
		ensure!(record.auditor == auditor, Error::<T>::NotAuditor);
		Self::end_attestation(id)
	}

	/// Removes a statement and returns its deposit.
	pub(crate) fn end_attestation(id: AttestationId) -> DispatchResult {
		let Some(record) = Attestations::<T>::take(id) else {
			return Ok(());
		};
		AttestedBy::<T>::remove(record.provider, &record.auditor);
		let reason = HoldReason::Attestation.into();
		T::Currency::release(&reason, &record.auditor, record.deposit, Precision::Exact)?;
		Self::deposit_event(Event::AttestationEnded {
			attestation: id,
			auditor: record.auditor,
			provider: record.provider,
			deposit: record.deposit,
		});
		Ok(())
	}

	/// Whether `auditor` vouches for all these attributes of the provider now.
	fn vouches(provider: ProviderId, auditor: &AccountIdOf<T>, attributes: &Attributes) -> bool {
		AttestedBy::<T>::get(provider, auditor)
			.and_then(Attestations::<T>::get)
			.is_some_and(|record| {
				record.expires >= Self::now() && has_attributes(&record.attributes, attributes)
			})
	}

	/// Whether all of `all_of` and one of `any_of` vouch for these attributes.
	pub(crate) fn attested(
		provider: ProviderId,
		attributes: &Attributes,
		all_of: &[AccountIdOf<T>],
		any_of: &[AccountIdOf<T>],
	) -> bool {
		let vouches = |auditor| Self::vouches(provider, auditor, attributes);
		all_of.iter().all(vouches) && (any_of.is_empty() || any_of.iter().any(vouches))
	}
}
