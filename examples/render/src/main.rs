//! Renders a PNG image from a scene file: spheres over a plane, by path tracing.
//!
//! `render SCENE.json IMAGE.png`: reads `/in/SCENE.json`, writes `/out/IMAGE.png`.

use serde::Deserialize;
use std::{fs::File, io::BufWriter, process::ExitCode};

#[derive(Deserialize)]
struct Scene {
	width: u32,
	height: u32,
	/// Rays through each pixel.
	samples: u32,
	camera: Camera,
	spheres: Vec<Sphere>,
}

#[derive(Deserialize)]
struct Camera {
	from: [f64; 3],
	to: [f64; 3],
	/// Degrees, vertical.
	view: f64,
}

#[derive(Deserialize)]
struct Sphere {
	center: [f64; 3],
	radius: f64,
	/// Red, green, blue from 0 to 1.
	color: [f64; 3],
	/// 0 is matt, 1 a mirror.
	#[serde(default)]
	mirror: f64,
	/// Light that it gives off.
	#[serde(default)]
	glow: f64,
}

#[derive(Clone, Copy)]
struct V(f64, f64, f64);

impl V {
	fn of(a: [f64; 3]) -> V {
		V(a[0], a[1], a[2])
	}
	fn plus(self, o: V) -> V {
		V(self.0 + o.0, self.1 + o.1, self.2 + o.2)
	}
	fn minus(self, o: V) -> V {
		V(self.0 - o.0, self.1 - o.1, self.2 - o.2)
	}
	fn times(self, k: f64) -> V {
		V(self.0 * k, self.1 * k, self.2 * k)
	}
	fn each(self, o: V) -> V {
		V(self.0 * o.0, self.1 * o.1, self.2 * o.2)
	}
	fn dot(self, o: V) -> f64 {
		self.0 * o.0 + self.1 * o.1 + self.2 * o.2
	}
	fn cross(self, o: V) -> V {
		V(
			self.1 * o.2 - self.2 * o.1,
			self.2 * o.0 - self.0 * o.2,
			self.0 * o.1 - self.1 * o.0,
		)
	}
	fn unit(self) -> V {
		self.times(1.0 / self.dot(self).sqrt().max(1e-12))
	}
}

/// xorshift64*: the same picture at every run.
struct Random(u64);

impl Random {
	fn next(&mut self) -> f64 {
		self.0 ^= self.0 >> 12;
		self.0 ^= self.0 << 25;
		self.0 ^= self.0 >> 27;
		(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
	}

	fn in_ball(&mut self) -> V {
		loop {
			let v = V(self.next(), self.next(), self.next())
				.times(2.0)
				.minus(V(1.0, 1.0, 1.0));
			if v.dot(v) <= 1.0 {
				return v;
			}
		}
	}
}

/// Where a ray meets a sphere first.
fn meet(scene: &Scene, from: V, along: V) -> Option<(f64, &Sphere)> {
	let mut nearest: Option<(f64, &Sphere)> = None;
	for sphere in &scene.spheres {
		let offset = from.minus(V::of(sphere.center));
		let half = offset.dot(along);
		let c = offset.dot(offset) - sphere.radius * sphere.radius;
		let root = half * half - c;
		if root < 0.0 {
			continue;
		}
		let root = root.sqrt();
		let distance = if -half - root > 1e-4 {
			-half - root
		} else {
			-half + root
		};
		if distance > 1e-4 && nearest.is_none_or(|(best, _)| distance < best) {
			nearest = Some((distance, sphere));
		}
	}
	nearest
}

fn trace(scene: &Scene, mut from: V, mut along: V, random: &mut Random) -> V {
	let (mut light, mut strength) = (V(0.0, 0.0, 0.0), V(1.0, 1.0, 1.0));
	for _ in 0..8 {
		let Some((distance, sphere)) = meet(scene, from, along) else {
			let up = 0.5 * (along.1 + 1.0);
			let sky = V(1.0, 1.0, 1.0)
				.times(1.0 - up)
				.plus(V(0.45, 0.65, 1.0).times(up));
			return light.plus(sky.each(strength));
		};
		let point = from.plus(along.times(distance));
		let mut normal = point.minus(V::of(sphere.center)).unit();
		if normal.dot(along) > 0.0 {
			normal = normal.times(-1.0);
		}
		let color = V::of(sphere.color);
		light = light.plus(color.times(sphere.glow).each(strength));
		strength = strength.each(color);
		let bounced = along.minus(normal.times(2.0 * along.dot(normal)));
		let scattered = normal.plus(random.in_ball());
		along = if random.next() < sphere.mirror {
			bounced
		} else {
			scattered
		}
		.unit();
		from = point;
	}
	light
}

fn run() -> Result<(), String> {
	let arguments: Vec<String> = std::env::args().collect();
	let [_, scene, image] = arguments.as_slice() else {
		return Err("usage: render SCENE.json IMAGE.png".into());
	};
	let path = format!("/in/{scene}");
	let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
	let scene: Scene = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
	let (width, height) = (scene.width, scene.height);
	if width == 0
		|| height == 0
		|| scene.samples == 0
		|| u64::from(width) * u64::from(height) > 1 << 26
	{
		return Err(format!(
			"{path}: width, height or samples cannot be rendered"
		));
	}
	println!(
		"{width}x{height}, {} samples, {} spheres",
		scene.samples,
		scene.spheres.len()
	);
	let (from, to) = (V::of(scene.camera.from), V::of(scene.camera.to));
	let ahead = to.minus(from).unit();
	let right = ahead.cross(V(0.0, 1.0, 0.0)).unit();
	let up = right.cross(ahead);
	let tall = (scene.camera.view.to_radians() / 2.0).tan();
	let wide = tall * f64::from(width) / f64::from(height);
	let mut random = Random(0x9E37_79B9_7F4A_7C15);
	let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
	let mut said = 0;
	for y in 0..height {
		for x in 0..width {
			let mut sum = V(0.0, 0.0, 0.0);
			for _ in 0..scene.samples {
				let u = (f64::from(x) + random.next()) / f64::from(width) * 2.0 - 1.0;
				let v = 1.0 - (f64::from(y) + random.next()) / f64::from(height) * 2.0;
				let along = ahead
					.plus(right.times(u * wide))
					.plus(up.times(v * tall))
					.unit();
				sum = sum.plus(trace(&scene, from, along, &mut random));
			}
			let mean = sum.times(1.0 / f64::from(scene.samples));
			for part in [mean.0, mean.1, mean.2] {
				pixels.push((part.clamp(0.0, 1.0).sqrt() * 255.0).round() as u8);
			}
		}
		let percent = (y + 1) * 100 / height;
		if percent >= said + 10 {
			said = percent;
			println!("{percent} %");
		}
	}
	let path = format!("/out/{image}");
	let file = File::create(&path).map_err(|error| format!("{path}: {error}"))?;
	let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
	encoder.set_color(png::ColorType::Rgb);
	encoder.set_depth(png::BitDepth::Eight);
	encoder
		.write_header()
		.and_then(|mut writer| writer.write_image_data(&pixels))
		.map_err(|error| format!("{path}: {error}"))?;
	println!("wrote {path}");
	Ok(())
}

fn main() -> ExitCode {
	match run() {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error}");
			ExitCode::from(2)
		}
	}
}
