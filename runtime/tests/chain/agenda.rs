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
