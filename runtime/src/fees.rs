//! What transactions cost.
//!
//! A fee is the weight's price plus the length's price. The weight's price is linear: a microsecond
//! costs 0.00001 LEASE. A byte costs 0.000001 LEASE. The weight's price follows demand slowly, never
//! below a tenth of its value at rest.

use crate::{Balance, Runtime, LEASE};
use frame_support::{
	parameter_types,
	weights::{
		ConstantMultiplier, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial,
	},
};
use pallet_transaction_payment::{Multiplier, TargetedFeeAdjustment};
use sp_runtime::{traits::Bounded, FixedPointNumber, Perbill, Perquintill};

/// The price of a picosecond of weight, planck.
pub const WEIGHT_FEE: Balance = LEASE / 100_000 / 1_000_000;
/// The price of one byte, planck.
pub const BYTE_FEE: Balance = LEASE / 1_000_000;

/// Weight to fee: linear. It does not follow from any measurement, so that measuring again on another
/// machine changes no prices by itself.
pub struct WeightToFee;
impl WeightToFeePolynomial for WeightToFee {
	type Balance = Balance;
	fn polynomial() -> WeightToFeeCoefficients<Balance> {
		core::iter::once(WeightToFeeCoefficient {
			degree: 1,
			negative: false,
			coeff_frac: Perbill::zero(),
			coeff_integer: WEIGHT_FEE,
		})
		.collect()
	}
}

parameter_types! {
	pub const ByteFee: Balance = BYTE_FEE;
	pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
	pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(1, 100_000);
	pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10);
	pub MaximumMultiplier: Multiplier = Bounded::max_value();
}

/// Length to fee.
pub type LengthToFee = ConstantMultiplier<Balance, ByteFee>;

/// Slow adjustment with a floor.
pub type FeeMultiplierUpdate = TargetedFeeAdjustment<
	Runtime,
	TargetBlockFullness,
	AdjustmentVariable,
	MinimumMultiplier,
	MaximumMultiplier,
>;
