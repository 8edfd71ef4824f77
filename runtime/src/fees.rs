//! What transactions cost.
//!
//! A fee is the weight's price plus the length's price. The weight's price is linear: an extrinsic
//! of exactly the base weight costs 0.001 LEASE. A byte costs 0.000001 LEASE. The weight's price
//! follows demand slowly, never below a tenth of its value at rest.

use crate::{weights::overhead::EXTRINSIC_BASE, Balance, Runtime, LEASE};
use frame_support::{
	parameter_types,
	weights::{
		ConstantMultiplier, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial,
	},
};
use pallet_transaction_payment::{Multiplier, TargetedFeeAdjustment};
use sp_runtime::{traits::Bounded, FixedPointNumber, Perbill, Perquintill};

/// The price of the weight of an empty extrinsic, planck.
pub const BASE_FEE: Balance = LEASE / 1_000;
/// The price of one byte, planck.
pub const BYTE_FEE: Balance = LEASE / 1_000_000;

/// Weight to fee: linear through [`BASE_FEE`] at the base weight.
pub struct WeightToFee;
impl WeightToFeePolynomial for WeightToFee {
	type Balance = Balance;
	fn polynomial() -> WeightToFeeCoefficients<Balance> {
		let base = Balance::from(EXTRINSIC_BASE.ref_time());
		core::iter::once(WeightToFeeCoefficient {
			degree: 1,
			negative: false,
			coeff_frac: Perbill::from_rational(BASE_FEE % base, base),
			coeff_integer: BASE_FEE / base,
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
