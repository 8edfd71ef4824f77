//! The slot length, fixed at genesis, so that one binary serves networks with slots of any length.

pub use pallet::*;

/// The slot length of the main network, milliseconds.
pub const DEFAULT_SLOT_MILLIS: u64 = 3_000;

// FRAME's macros expand to `expect`.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::BlockNumberFor;

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	impl<T: Config> Pallet<T> {
		/// Whether slots can be halved, and are no shorter than any network's.
		pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
			let sound = super::is_sound(SlotMillis::<T>::get());
			frame_support::ensure!(sound, "slots: not even, or too short");
			Ok(())
		}
	}

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	#[pallet::type_value]
	pub fn DefaultSlotMillis() -> u64 {
		super::DEFAULT_SLOT_MILLIS
	}

	/// Length of a slot, milliseconds. Never changes after genesis: slot numbers count from it.
	#[pallet::storage]
	pub type SlotMillis<T> = StorageValue<_, u64, ValueQuery, DefaultSlotMillis>;

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		/// What no pallet can check alone is checked here: this one is the runtime's own.
		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			crate::invariants::check()
		}
	}

	#[pallet::genesis_config]
	pub struct GenesisConfig<T: Config> {
		/// Length of a slot, milliseconds; even and at least 200.
		pub slot_millis: u64,
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			Self {
				slot_millis: super::DEFAULT_SLOT_MILLIS,
				_config: Default::default(),
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			assert!(
				super::is_sound(self.slot_millis),
				"slotMillis must be even and at least 200"
			);
			SlotMillis::<T>::put(self.slot_millis);
		}
	}
}

fn is_sound(slot_millis: u64) -> bool {
	slot_millis >= 200 && slot_millis.is_multiple_of(2)
}

/// The least time between two blocks: half a slot, milliseconds.
pub struct HalfSlot;
impl frame_support::traits::Get<u64> for HalfSlot {
	fn get() -> u64 {
		SlotMillis::<crate::Runtime>::get() / 2
	}
}

/// The slot length, milliseconds.
pub struct Slot;
impl frame_support::traits::Get<u64> for Slot {
	fn get() -> u64 {
		SlotMillis::<crate::Runtime>::get()
	}
}
