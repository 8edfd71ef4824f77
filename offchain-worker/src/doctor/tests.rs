use super::*;

#[test]
fn what_is_leased_out_is_held_against_the_machine() {
	let folder = tempfile::tempdir().unwrap();
	let config = |memory: &str| -> Config {
		let text = format!(
			"version = 1\nnode = \"ws://127.0.0.1:1\"\n[gateway]\nlisten = \"127.0.0.1:1\"\nurl = \
			 \"https://127.0.0.1:1\"\n[capacity]\ncpu_millis = 1000\nmemory_mib = {memory}\nstorage_mib = \
			 1\n[pricing]\ncpu_core = \"1\"\nmemory_gib = \"1\"\nstorage_gib = \"1\"\n"
		);
		std::fs::write(folder.path().join("provider.toml"), text).unwrap();
		Config::read(folder.path()).unwrap()
	};
	for (memory, wanted) in [("1", State::Ok), ("4000000000", State::Warning)] {
		let mut found = Findings::default();
		room(folder.path(), &config(memory), &mut found);
		let memory = found.0.iter().find(|one| one.what == "memory").unwrap();
		assert_eq!(memory.state, wanted, "{}", memory.says);
		assert_eq!(memory.mend.is_some(), wanted != State::Ok);
	}
}

#[tokio::test]
async fn without_a_file_nothing_else_is_looked_at_and_nothing_is_made() {
	let folder = tempfile::tempdir().unwrap();
	let mut found = Findings::default();
	look(folder.path(), &mut found).await;
	let first = found.0.first().unwrap();
	let wanted = ("configuration", State::Unusable);
	assert_eq!((first.what, first.state), wanted);
	assert_eq!(found.0.len(), 1);
	assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
