//! What commands print, and how they exit.

use serde_json::{Value, json};

use crate::support::{Admin, GUEST, with_server, without_server};

const UUID: &str = "b5d2b1ea-6e0f-4d0e-9c1b-0d4f5a6b7c8d";

/// distributed §7, the table of commands.
#[track_caller]
fn answers_as_wskadmin_does(admin: &Admin) {
    let secret = "s".repeat(64);
    let key = format!("{UUID}:{secret}");
    admin.gives(&["user", "get", "guest"], 0, &format!("{GUEST}\n"));
    admin.gives(
        &["user", "create", " alice ", "-u", &key],
        0,
        &format!("{key}\n"),
    );
    admin.gives(&["user", "get", "alice"], 0, &format!("{key}\n"));
    admin.gives(
        &["user", "create", "alice"],
        1,
        "Namespace already exists\n",
    );
    let other = admin.ok(&["user", "create", "alice", "-ns", "space1"]);
    admin.gives(
        &["user", "get", "alice", "-a"],
        0,
        &format!("alice\t{key}\nspace1\t{other}\n"),
    );
    admin.gives(
        &["user", "get", "alice", "-ns=space1"],
        0,
        &format!("{other}\n"),
    );
    admin.gives(
        &["user", "whois", &other],
        0,
        "subject: alice\nnamespace: space1\n",
    );
    admin.gives(
        &["user", "create", "bobby", "--namespace", "space1", "-s"],
        0,
        "",
    );
    let second = admin.ok(&["user", "get", "bobby", "-ns", "space1"]);
    admin.gives(&["user", "list", "space1"], 0, &format!("{other}\talice\n"));
    let both = format!("{other}\talice\n{second}\tbobby\n");
    admin.gives(&["user", "list", "space1", "-a"], 0, &both);
    admin.gives(&["user", "list", "-p", "2", "space1"], 0, &both);
    admin.gives(&["user", "list", "-k", "space1"], 0, &format!("{other}\n"));
}

/// What `answers_as_wskadmin_does` left: `alice` and `bobby` share `space1`.
#[track_caller]
fn goes_on_as_wskadmin_does(admin: &Admin) {
    let second = admin.ok(&["user", "get", "bobby", "-ns", "space1"]);
    let renewed = admin.ok(&["user", "create", "bobby", "-ns", "space1", "-r"]);
    let (old, new) = (second.split(':').next(), renewed.split(':').next());
    assert_ne!(old, new, "the uuid is replaced with the secret");
    admin.gives(
        &["user", "whois", &second],
        0,
        "Subject id is not recognized\n",
    );
    admin.gives(
        &["user", "block", "alice", " ", "nobody", "bobby"],
        1,
        "\"alice\" blocked successfully\n\
         Failed to block \"nobody\" (the subject does not exist)\n\
         \"bobby\" blocked successfully\n",
    );
    admin.gives(
        &["user", "create", "alice", "-ns", "more"],
        1,
        "The subject you want to edit is blocked\n",
    );
    admin.gives(
        &["user", "list", "space1"],
        0,
        "no identities found for namespace \"space1\"\n",
    );
    admin.gives(
        &["user", "unblock", "alice", "bobby"],
        0,
        "\"alice\" unblocked successfully\n\"bobby\" unblocked successfully\n",
    );
    admin.gives(
        &["user", "delete", "alice", "-ns", "space1"],
        0,
        "Namespace deleted\n",
    );
    admin.gives(
        &["user", "delete", "alice", "-ns", "space1"],
        1,
        "Namespace \"space1\" does not exist for \"alice\"\n",
    );
    admin.gives(
        &["user", "get", "alice", "-ns", "space1"],
        1,
        "namespace \"space1\" not found for \"alice\"\n",
    );
    admin.gives(&["user", "delete", "alice"], 0, "Subject deleted\n");
    for (verb, text) in [
        (
            "delete",
            "Failed to delete subject (the subject does not exist)\n",
        ),
        (
            "get",
            "Failed to get subject (the subject does not exist)\n",
        ),
    ] {
        admin.gives(&["user", verb, "alice"], 1, text);
    }
}

#[track_caller]
fn keeps_limits_as_wskadmin_does(admin: &Admin) {
    admin.gives(
        &["limits", "get", "space1"],
        0,
        "No limits found, default system limits apply\n",
    );
    let set = "Limits successfully set for \"space1\"\n";
    let first = [
        "limits",
        "set",
        "space1",
        "--firesPerMinute",
        "2",
        "--invocationsPerMinute",
        "1",
        "--concurrentInvocations",
        "3",
        "--storeActivations",
        "NO",
        "--maxPayloadSize",
        "1 kb",
    ];
    admin.gives(&first, 0, set);
    let second = [
        "limits",
        "set",
        "space1",
        "--allowedKinds",
        "nodejs:20",
        "it's",
        "--minActionMemory",
        "128",
        "--maxActionMemory",
        "256",
        "--minActionLogs",
        "0",
        "--maxActionLogs",
        "5",
        "--minActionTimeout",
        "100",
        "--maxActionTimeout",
        "1000",
        "--minActionConcurrency",
        "1",
        "--maxActionConcurrency",
        "2",
        "--maxParameterSize",
        "10 KB",
        "--truncationSize",
        "5 B",
        "--invocationsPerMinute",
        "7",
    ];
    admin.gives(&second, 0, set);
    admin.gives(
        &["limits", "get", "space1"],
        0,
        "invocationsPerMinute = 7\nfiresPerMinute = 2\nconcurrentInvocations = 3\n\
         allowedKinds = ['nodejs:20', \"it's\"]\nstoreActivations = False\n\
         minActionMemory = 128\nmaxActionMemory = 256\nminActionLogs = 0\nmaxActionLogs = 5\n\
         minActionTimeout = 100\nmaxActionTimeout = 1000\nminActionConcurrency = 1\n\
         maxActionConcurrency = 2\nmaxParameterSize = 10 KB\nmaxPayloadSize = 1 kb\n\
         truncationSize = 5 B\n",
    );
    admin.gives(&["limits", "delete", "space1"], 0, "Limits deleted\n");
    admin.gives(
        &["limits", "delete", "space1"],
        1,
        "Failed to delete limits (the namespace has no limits)\n",
    );
}

#[track_caller]
fn tells_the_same_as_json(admin: &Admin) {
    let key = format!("{UUID}:{}", "s".repeat(64));
    let owned = json!({"subject": "carol", "namespace": "carol", "auth": key});
    let limits = json!({"namespace": "carol", "limits": {"firesPerMinute": 5}});
    let table: [(&[&str], Value); 11] = [
        (&["user", "create", "carol", "-u", &key], owned.clone()),
        (&["user", "get", "carol"], owned.clone()),
        (&["user", "list", "carol"], json!([owned])),
        (&["user", "list", "-k", "carol"], json!([key])),
        (
            &["user", "whois", &key],
            json!({"subject": "carol", "namespace": "carol"}),
        ),
        (&["user", "whois", "a:b"], Value::Null),
        (
            &["user", "block", "carol"],
            json!([{"subject": "carol", "blocked": true}]),
        ),
        (
            &["user", "get", "carol", "--all"],
            json!({"subject": "carol", "blocked": true, "namespaces": [{"namespace": "carol", "auth": key}]}),
        ),
        (
            &["limits", "set", "carol", "--firesPerMinute", "5"],
            limits.clone(),
        ),
        (&["limits", "get", "carol"], limits),
        (
            &["limits", "delete", "carol"],
            json!({"namespace": "carol", "deleted": true}),
        ),
    ];
    for (arguments, expected) in table {
        assert_eq!(admin.json(arguments), expected, "{arguments:?}");
    }
    let failed = admin.run(&["--json", "user", "unblock", "carol", "nobody"]);
    assert_eq!(failed.status, 1);
    assert_eq!(
        serde_json::from_str::<Value>(&failed.stdout).unwrap(),
        json!([
            {"subject": "carol", "blocked": false},
            {"subject": "nobody", "error": "Failed to unblock \"nobody\" (the subject does not exist)"}
        ])
    );
    let deleted = json!({"subject": "carol", "deleted": true});
    assert_eq!(admin.json(&["user", "delete", "carol"]), deleted);
    let failed = admin.run(&["user", "get", "carol", "--json"]);
    assert_eq!(failed.status, 1);
    assert_eq!(
        serde_json::from_str::<Value>(&failed.stdout).unwrap(),
        json!({"error": "Failed to get subject (the subject does not exist)"})
    );
}

/// Nothing of this is stored.
#[track_caller]
fn refuses_what_nobody_could_use(admin: &Admin) {
    let long = "x".repeat(257);
    let short_key = format!("{UUID}:short");
    let long_key = format!("{UUID}:{}", "s".repeat(65));
    let table: [(&[&str], &str); 14] = [
        (
            &["create", "four"],
            "Subject name must be at least 5 characters",
        ),
        (
            &["create", " four "],
            "Subject name must be at least 5 characters",
        ),
        (
            &["create", &long],
            "Subject name must be at most 256 characters",
        ),
        (
            &["create", "a\tbcde"],
            "Subject name must not contain control characters",
        ),
        (
            &["create", "alice", "-ns", " "],
            "Namespace must not be empty",
        ),
        (
            &["create", "alice", "-ns", ""],
            "Namespace must not be empty",
        ),
        (
            &["create", "alice", "-ns", "a/b"],
            "Namespace \"a/b\" is not a valid name",
        ),
        (
            &["create", "al/ice"],
            "Namespace \"al/ice\" is not a valid name",
        ),
        (
            &["create", "alice", "-u", "x:y"],
            "authorization id is not a valid UUID",
        ),
        (
            &["create", "alice", "-u", &short_key],
            "authorization key must be at least 64 characters long",
        ),
        (
            &["create", "alice", "-g", "-u", &long_key],
            "authorization key must be at most 64 characters long",
        ),
        (&["delete", "  "], "Subject must not be empty"),
        (
            &["delete", "guest", "-ns", ""],
            "Namespace must not be empty",
        ),
        (
            &["list", "guest", "-p", "-1"],
            "pick at least 1 identity to show",
        ),
    ];
    for (arguments, text) in table {
        let arguments = [&["user"], arguments].concat();
        admin.gives(&arguments, 2, &format!("{text}\n"));
    }
    // The uuid keys the throttles and is looked up first, so it leads to one key.
    let taken = format!("{}:{}", GUEST.split(':').next().unwrap(), "s".repeat(64));
    let refused = "Failed to create subject (the authorization id belongs to another key)\n";
    admin.gives(&["user", "create", "alice", "-u", &taken], 1, refused);
    admin.gives(
        &["user", "create", "guest", "-ns", "other", "-u", &taken],
        1,
        refused,
    );
    admin.gives(
        &["user", "get", "guest", "-a"],
        0,
        &format!("guest\t{GUEST}\n"),
    );
    admin.gives(
        &["user", "list", "alice"],
        0,
        "no identities found for namespace \"alice\"\n",
    );
}

#[test]
fn commands_answer_alike_with_and_without_a_server() {
    for (server, admin) in [with_server(), without_server()] {
        answers_as_wskadmin_does(&admin);
        goes_on_as_wskadmin_does(&admin);
        keeps_limits_as_wskadmin_does(&admin);
        tells_the_same_as_json(&admin);
        refuses_what_nobody_could_use(&admin);
        assert_eq!(server.stderr(), "");
    }
}

#[test]
fn usage_that_is_wrong_exits_with_2_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin(folder.path().join("data"));
    for (arguments, text) in [
        (&["user"][..], "Usage: oxwhisk admin user"),
        (&["user", "create"], "<SUBJECT>"),
        (&["user", "block"], "<SUBJECTS>..."),
        (
            &["user", "rename", "alice"],
            "unrecognized subcommand 'rename'",
        ),
        (&["limits", "set", "a", "--firesPerMinute", "-1"], "-1"),
        (
            &["limits", "set", "a", "--firesPerMinute", "many"],
            "'many'",
        ),
        (
            &["limits", "set", "a", "--storeActivations", "maybe"],
            "maybe is not a valid boolean.",
        ),
        (
            &["limits", "set", "a", "--maxPayloadSize", "1 TB"],
            "Size Unit not supported. Only \"B\", \"K[B]\", \"M[B]\" and \"G[B]\" are supported.",
        ),
    ] {
        let given = admin.run(arguments);
        assert_eq!(given.status, 2, "{arguments:?}: {given:?}");
        assert!(given.stderr.contains(text), "{arguments:?}: {given:?}");
    }
    assert!(!admin.0.exists());
}

#[test]
fn a_folder_without_database_is_not_made_one_by_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin(folder.path().join("data"));
    for question in [["user", "get", "guest"], ["limits", "get", "guest"]] {
        let given = admin.run(&question);
        assert_eq!((given.status, &*given.stdout), (1, ""));
        let text = format!("error: there is no database in `{}`", admin.0.display());
        assert!(given.stderr.starts_with(&text), "{given:?}");
    }
    let key = admin.ok(&["user", "create", "alice", "-g"]);
    assert_eq!(key.len(), 36 + 1 + 64, "{key}");
    assert!(
        !admin.0.exists(),
        "a key that is only shown needs no database"
    );
    let key = admin.ok(&["user", "create", "alice"]);
    assert_eq!(admin.ok(&["user", "get", "alice"]), key);
    assert_eq!(admin.ok(&["user", "get", "guest"]), GUEST);
}
