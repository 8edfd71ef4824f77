use super::*;
use leasehold_client::{keystore, tls};
use leasehold_manifest::result::Output;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A provider's gateway that answers every request with `body`, without TLS.
async fn provider(body: String) -> String {
	let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
	let url = format!("http://{}", listener.local_addr().unwrap());
	tokio::spawn(async move {
		while let Ok((mut stream, _)) = listener.accept().await {
			let mut request = [0; 8_192];
			let _ = stream.read(&mut request).await;
			let head = format!(
				"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
				body.len()
			);
			let _ = stream.write_all(head.as_bytes()).await;
			let _ = stream.write_all(body.as_bytes()).await;
		}
	});
	url
}

fn gateway(url: &str) -> Gateway {
	let tenant = keystore::from_uri("//Tenant").unwrap();
	let genesis = H256([1; 32]);
	Gateway {
		// No chain is asked.
		chain: Chain::new("ws://127.0.0.1:1", None),
		door: RwLock::new(Arc::new(Door {
			url: url.to_owned(),
			tls_keys: Vec::new(),
			sealing_key: [0; 32],
			client: reqwest::Client::new(),
			tls: Arc::new(tls::pinned(&[]).unwrap()),
		})),
		session: RwLock::new((
			now(),
			Arc::new(Session::open(&tenant, genesis, 0, (7, 0), now()).unwrap()),
		)),
		operator: keystore::account(&tenant),
		account: Some((tenant, 0)),
		place: Place {
			genesis,
			provider: 0,
			lease: 7,
		},
		lease: 7,
	}
}

#[tokio::test]
async fn a_provider_does_not_choose_where_files_go() {
	for path in [
		"../escaped",
		"/etc/escaped",
		"a/../../escaped",
		"",
		"a\\b",
		"a\nb",
	] {
		let output = Output {
			path: path.into(),
			size: 1,
			sha256: [0; 32],
		};
		let body = serde_json::to_string(&[output]).unwrap();
		let gateway = gateway(&provider(body).await);
		let failure = gateway.outputs().await.unwrap_err();
		assert_eq!(failure.code, 5, "{path:?}: {}", failure.what);
		assert!(
			failure.what.contains("outside the folder"),
			"{}",
			failure.what
		);
	}
}

#[tokio::test]
async fn what_a_provider_says_does_nothing_to_a_terminal() {
	let said = r#"{"jsonrpc":"2.0","id":1,"result":{"why":"a\u001b[2Jb","all":["\u0007c"]}}"#;
	let gateway = gateway(&provider(said.into()).await);
	let said = gateway.call("lease_status", String::new()).await.unwrap();
	assert_eq!(said, json!({ "why": "a[2Jb", "all": ["c"] }));
	for said in [
		r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"a\u001b]52;c;x\u0007"}}"#,
		"a\u{1b}]52;c;x\u{7}",
	] {
		let gateway = super::tests::gateway(&provider(said.into()).await);
		let failure = gateway
			.call("lease_status", String::new())
			.await
			.unwrap_err();
		assert!(failure.what.contains("a]52;c;x"), "{}", failure.what);
		assert!(!failure.what.contains(char::is_control), "{}", failure.what);
	}
	let refused = refused(StatusCode::FORBIDDEN, "no\u{1b}[2J".into());
	assert!(refused.what.starts_with("no[2J"), "{}", refused.what);
}

#[test]
fn a_name_is_no_query() {
	let gateway = gateway("https://127.0.0.1:1");
	let lease = format!("/v1/leases/{}", gateway.lease);
	let path = gateway.path("files/out/a?b=c&d e/ü%");
	assert_eq!(
		path,
		format!("{lease}/files/out/a%3Fb%3Dc%26d%20e/%C3%BC%25")
	);
	let path = gateway.path_for("exec", Some("a&replica=1"), 2);
	assert_eq!(
		path,
		format!("{lease}/exec?service=a%26replica%3D1&replica=2")
	);
}

#[tokio::test]
async fn what_was_not_announced_is_not_kept() {
	let folder = tempfile::tempdir().unwrap();
	let to = folder.path().join("out.bin");
	let digest = Sha256::digest(b"four").into();
	for (sent, announced) in [
		(
			"five!",
			Output {
				path: "out.bin".into(),
				size: 4,
				sha256: digest,
			},
		),
		(
			"fore",
			Output {
				path: "out.bin".into(),
				size: 4,
				sha256: digest,
			},
		),
		(
			"fou",
			Output {
				path: "out.bin".into(),
				size: 4,
				sha256: digest,
			},
		),
	] {
		let gateway = gateway(&provider(sent.into()).await);
		assert_eq!(gateway.fetch(&announced, &to).await.unwrap_err().code, 5);
		assert_eq!(
			std::fs::read_dir(folder.path()).unwrap().count(),
			0,
			"{sent}"
		);
	}
	let gateway = gateway(&provider("four".into()).await);
	let honest = Output {
		path: "out.bin".into(),
		size: 4,
		sha256: digest,
	};
	gateway.fetch(&honest, &to).await.unwrap();
	assert_eq!(std::fs::read(&to).unwrap(), b"four");
}
