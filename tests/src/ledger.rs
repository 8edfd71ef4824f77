//! Who paid what between two finalized blocks, from the chain's events, held against balances.

use anyhow::{bail, Context as _};
use leasehold_client::{story, view::Closed, AccountId32, Connection};
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// One party, over one or more accounts. Amounts in planck.
#[derive(Clone, Debug, Default)]
pub struct Row {
	pub who: String,
	pub role: &'static str,
	pub accounts: Vec<AccountId32>,
	/// Free balance at the first block.
	pub before: u128,
	/// Free balance at the second block.
	pub after: u128,
	/// Gross, to providers; the tenant's.
	pub paid: u128,
	/// Net.
	pub received: u128,
	/// The protocol's part of `paid`; the tenant's.
	pub protocol_fee: u128,
	pub tx_fees: u128,
	/// Change of what is on hold as bond.
	pub bonded: i128,
	/// Change of what else is on hold.
	pub held: i128,
}

/// All rows, and between which blocks.
#[derive(Clone, Debug)]
pub struct Ledger {
	pub blocks: (u32, u32),
	pub lease: Closed,
	pub rows: Vec<Row>,
}

fn difference(a: u128, b: u128) -> anyhow::Result<i128> {
	i128::try_from(a)?
		.checked_sub(i128::try_from(b)?)
		.context("overflow")
}

impl Ledger {
	/// Reads the chain between two blocks. `rows` name the parties: (who, role, accounts).
	pub async fn read(
		connection: &Connection,
		blocks: (u32, u32),
		lease: Closed,
		parties: Vec<(String, &'static str, Vec<AccountId32>)>,
	) -> anyhow::Result<Self> {
		let first = connection.at_number(blocks.0).await?;
		let last = connection.at_number(blocks.1).await?;
		let mut fees = BTreeMap::<AccountId32, u128>::new();
		for number in blocks.0.saturating_add(1)..=blocks.1 {
			for (who, fee) in connection.at_number(number).await?.fees_paid().await? {
				let sum = fees.entry(who).or_default();
				*sum = sum.checked_add(fee).context("overflow")?;
			}
		}
		let net = lease
			.paid
			.checked_sub(lease.fees)
			.context("more fees than payments")?;
		let mut rows = Vec::new();
		for (who, role, accounts) in parties {
			let mut row = Row {
				who,
				role,
				accounts,
				..Default::default()
			};
			for account in row.accounts.clone() {
				row.before += first.account(&account).await?.free;
				row.after += last.account(&account).await?.free;
				row.tx_fees += fees.get(&account).copied().unwrap_or_default();
				let (was, is) = (first.holds(&account).await?, last.holds(&account).await?);
				row.bonded += difference(is.0, was.0)?;
				row.held += difference(is.1, was.1)?;
			}
			match role {
				"tenant" => (row.paid, row.protocol_fee) = (lease.paid, lease.fees),
				"provider" if row.who == format!("provider {}", lease.provider) => {
					row.received = net
				}
				"fee destination" => row.received = lease.fees,
				_ => {}
			}
			rows.push(row);
		}
		Ok(Self {
			blocks,
			lease,
			rows,
		})
	}

	/// In each row before − after = paid + tx_fees + bonded + held − received, and over all rows
	/// paid = received; to the last planck.
	pub fn check(&self) -> anyhow::Result<()> {
		let (mut paid, mut received) = (0u128, 0u128);
		for row in &self.rows {
			let spent = difference(row.before, row.after)?;
			let out = i128::try_from(row.paid + row.tx_fees)? + row.bonded + row.held;
			let accounted = out - i128::try_from(row.received)?;
			if spent != accounted {
				bail!(
					"the row of {} is off by {} planck: its balance fell by {spent}, accounted for \
					 are {accounted}",
					row.who,
					spent - accounted
				);
			}
			paid += row.paid;
			received += row.received;
		}
		if paid != received {
			bail!("paid {paid} planck, received {received}");
		}
		if paid == 0 {
			bail!("nothing was paid");
		}
		Ok(())
	}

	/// As `ledger.json`.
	pub fn json(&self) -> Value {
		let rows: Vec<Value> = self
			.rows
			.iter()
			.map(|row| {
				json!({
					"who": row.who, "role": row.role,
					"before": row.before.to_string(), "after": row.after.to_string(),
					"paid": row.paid.to_string(), "received": row.received.to_string(),
					"protocol_fee": row.protocol_fee.to_string(),
					"tx_fees": row.tx_fees.to_string(),
					"bonded": row.bonded.to_string(), "held": row.held.to_string(),
				})
			})
			.collect();
		json!({
			"token": leasehold_client::units::TOKEN,
			"decimals": leasehold_client::units::DECIMALS,
			"lease": self.lease.id,
			"close_reason": story::reason_name(&self.lease.reason),
			"served_blocks": self.lease.served_blocks,
			"blocks": { "before": self.blocks.0, "after": self.blocks.1 },
			"rows": rows,
		})
	}

	/// As a table that a person can check by eye, in LEASE.
	pub fn table(&self) -> String {
		use comfy_table::{presets, CellAlignment, Table};
		let signed = |amount: i128| {
			let text = format!("{:.12}", Lease(amount.unsigned_abs()));
			if amount < 0 {
				format!("-{text}")
			} else {
				text
			}
		};
		let plain = |amount: u128| format!("{:.12}", Lease(amount));
		let mut table = Table::new();
		table
			.load_preset(presets::UTF8_HORIZONTAL_ONLY)
			.set_header([
				"", "before", "after", "paid", "received", "tx fees", "bonded", "held",
			]);
		for row in &self.rows {
			table.add_row([
				row.who.clone(),
				plain(row.before),
				plain(row.after),
				plain(row.paid),
				plain(row.received),
				plain(row.tx_fees),
				signed(row.bonded),
				signed(row.held),
			]);
		}
		for column in table.column_iter_mut().skip(1) {
			column.set_cell_alignment(CellAlignment::Right);
		}
		table.to_string()
	}
}

/// Planck, written in LEASE with all twelve decimals.
struct Lease(u128);

impl std::fmt::Display for Lease {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		let one = leasehold_client::units::LEASE;
		write!(f, "{}.{:012}", self.0 / one, self.0 % one)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use leasehold_client::{CloseReason, Fault};

	fn ledger() -> Ledger {
		let row = |who: &str, before, after, paid, received| Row {
			who: who.into(),
			before,
			after,
			paid,
			received,
			..Default::default()
		};
		Ledger {
			blocks: (1, 2),
			lease: Closed {
				id: 0,
				order: 0,
				tenant: AccountId32([0; 32]),
				provider: 0,
				reason: CloseReason::TenantClosed,
				fault: Fault::Nobody,
				served_blocks: 1,
				paid: 10,
				fees: 2,
				refunded: 0,
				compensation: 0,
				epoch: 0,
				closed_at: 1,
			},
			rows: vec![
				row("tenant", 100, 90, 10, 0),
				row("provider", 50, 58, 0, 8),
				row("fees", 1, 3, 0, 2),
			],
		}
	}

	#[test]
	fn one_planck_off_is_noticed() {
		ledger().check().unwrap();
		for n in 0..3 {
			let mut off = ledger();
			off.rows[n].after += 1;
			assert!(off.check().is_err());
		}
		let mut off = ledger();
		off.rows[2].received += 1;
		assert!(off.check().is_err());
	}
}
