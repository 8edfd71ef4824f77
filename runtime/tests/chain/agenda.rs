//! The hook of the agenda as the runtime's blocks call it.

use crate::harness::*;
use frame_support::{
	traits::Hooks,
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{AgendaClass, AgendaItem};
use leasehold_runtime::{Agenda, Runtime};
use pallet_agenda::{Entry, Page, PageCount, Pages, PAGE_SIZE};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLASSES: [AgendaClass; 3] = [
	AgendaClass::Money,
	AgendaClass::Clearing,
	AgendaClass::Sweeping,
];

fn any_item(random: &mut ChaCha8Rng) -> AgendaItem {
	let id = match random.gen_range(0..3) {
		0 => random.gen_range(0..3),
		1 => u64::MAX,
		_ => random.gen(),
	};
	match random.gen_range(0..7) {
		0 => AgendaItem::Lease(id),
		1 => AgendaItem::Order(id),
		2 => AgendaItem::Closed(id),
		3 => AgendaItem::Provider(id as u32),
		4 => AgendaItem::Watch(id as u32),
		5 => AgendaItem::Attestation(id),
		_ => AgendaItem::Scores,
	}
}

/// Pages that no call writes: items in the wrong class, pages that are not counted and counted pages
/// that are not there, bytes that are no page.
fn garbage(random: &mut ChaCha8Rng) {
	let class = CLASSES[random.gen_range(0..3)];
	let key = (
		class,
		now() - random.gen_range(0..5) + random.gen_range(0..3),
	);
	let page = random.gen_range(0..4);
	match random.gen_range(0..4) {
		0 => PageCount::<Runtime>::insert(key, random.gen_range(0..5)),
		1 => {
			let mut bytes = vec![0u8; random.gen_range(0..200)];
			random.fill_bytes(&mut bytes);
			sp_io::storage::set(&Pages::<Runtime>::hashed_key_for(key, page), &bytes);
		}
		_ => {
			let entries = (0..random.gen_range(0..=PAGE_SIZE)).map(|_| Entry {
				item: any_item(random),
				failures: random.gen(),
			});
			let entries: Page = entries.collect::<Vec<_>>().try_into().unwrap();
			Pages::<Runtime>::insert(key, page, entries);
			PageCount::<Runtime>::mutate(key, |count| *count = (*count).max(page + 1));
		}
	}
}

/// A lease whose stream somebody took away can neither settle nor end: its visit fails, again and again.
#[test]
fn a_visit_that_fails_leaves_no_trace_and_is_tried_again() {
	externalities().execute_with(|| {
		let broken = active_lease(1_000);
		pallet_escrow::StreamsOf::<Runtime>::remove(broken);
		let sound = lease_from(order(2), 1_000);
		let limit = leasehold_runtime::configs::RuntimeBlockWeights::get().max_block;
		let mut retries = Vec::new();
		for _ in 0..2_000 {
			let next = now() + 1;
			leasehold_runtime::System::set_block_number(next);
			leasehold_runtime::System::reset_events();
			let before = pallet_market::Leases::<Runtime>::get(broken).unwrap();
			let mut meter = WeightMeter::with_limit(limit);
			Agenda::on_poll(next, &mut meter);
			let quarter = limit.saturating_div(4);
			assert!(meter.consumed().all_lte(quarter), "{}", meter.consumed());
			for record in leasehold_runtime::System::events() {
				let leasehold_runtime::RuntimeEvent::Agenda(pallet_agenda::Event::EntryFailed {
					item,
					retry_at,
					..
				}) = record.event
				else {
					continue;
				};
				assert_eq!(item, AgendaItem::Lease(broken));
				// The agenda alone has moved it.
				let mut after = pallet_market::Leases::<Runtime>::get(broken).unwrap();
				assert_eq!(after.due, retry_at);
				after.due = before.due;
				assert_eq!(after, before);
				retries.push(retry_at - next);
			}
		}
		// Its provider's watch comes to it later on, and begins anew.
		assert_eq!(retries[..8], [1, 2, 4, 8, 16, 32, 64, 128]);
		// Nothing else was kept waiting.
		assert!(!pallet_market::Leases::<Runtime>::contains_key(sound));
	});
}

#[test]
fn whatever_is_in_the_agenda_the_hook_neither_panics_nor_hangs() {
	for seed in 0..20 {
		let mut random = ChaCha8Rng::seed_from_u64(seed);
		externalities().execute_with(|| {
			active_lease(5);
			place(order(2));
			for _ in 0..50 {
				for _ in 0..random.gen_range(0..6) {
					garbage(&mut random);
				}
				leasehold_runtime::System::set_block_number(now() + 1);
				let limit = match random.gen_range(0..4) {
					0 => Weight::MAX,
					1 => Weight::zero(),
					_ => Weight::from_parts(random.gen_range(0..500_000_000_000), u64::MAX),
				};
				let mut meter = WeightMeter::with_limit(limit);
				Agenda::on_poll(now(), &mut meter);
				assert!(
					meter.consumed().all_lte(limit),
					"{} of {limit}",
					meter.consumed()
				);
				let left = limit.saturating_sub(meter.consumed());
				let idle = Agenda::on_idle(now(), left);
				assert!(idle.all_lte(left), "{idle} of {left}");
			}
		});
	}
}
