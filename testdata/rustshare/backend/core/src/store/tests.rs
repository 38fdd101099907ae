use super::*;
use crate::config::Account;
use crate::objects::Uploaded;

async fn store(dir: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}/test.db", dir.path().display());
    Store::open(&Secret::new(url)).await.unwrap()
}

fn account(email: &str, password: &str) -> Account {
    Account {
        email: email.into(),
        password: Secret::new(password),
    }
}

async fn user(store: &Store, email: &str) -> User {
    let account = account(email, "tulip-anchor-92");
    store.seed_user(&account, Role::Admin).await.unwrap();
    store
        .authenticate(email, "tulip-anchor-92")
        .await
        .unwrap()
        .unwrap()
}

async fn file(store: &Store, owner: &User, id: &str, folder: Option<&str>) -> Result<File> {
    let object = Uploaded {
        size: 3,
        sha256: "ab".repeat(32),
    };
    store
        .add_file(NewFile {
            id,
            owner_id: &owner.id,
            parent_folder_id: folder,
            name: "notes.txt",
            content_type: "text/plain",
            object: &object,
            uploader_name: None,
        })
        .await
}

#[tokio::test]
async fn data_survives_a_restart_and_seeding_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(&dir).await;
    let before = user(&first, "a@localhost").await;
    first.create_folder(&before.id, "kept", None).await.unwrap();
    first.close().await;

    let second = store(&dir).await;
    let after = user(&second, "a@localhost").await;
    assert_eq!(before.id, after.id);
    let contents = second.contents(&after.id, None).await.unwrap();
    assert_eq!(contents.folders[0].name, "kept");
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let user = user(&store, "a@localhost").await;
    let hour = Duration::from_secs(3600);
    store.open_session(&user, "digest", hour).await.unwrap();
    assert!(store.session_user("digest").await.unwrap().is_some());

    let changed = account("a@localhost", "daffodil-anchor-93");
    store.seed_user(&changed, Role::Admin).await.unwrap();
    assert!(store.session_user("digest").await.unwrap().is_none());
    for (password, ok) in [("tulip-anchor-92", false), ("daffodil-anchor-93", true)] {
        let found = store.authenticate("A@localhost", password).await.unwrap();
        assert_eq!(found.is_some(), ok);
    }
}

#[tokio::test]
async fn sessions_expire() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let user = user(&store, "a@localhost").await;
    store
        .open_session(&user, "digest", Duration::ZERO)
        .await
        .unwrap();
    assert!(store.session_user("digest").await.unwrap().is_none());
}

#[tokio::test]
async fn deleting_a_folder_takes_everything_below_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let user = user(&store, "a@localhost").await;
    let top = store.create_folder(&user.id, "top", None).await.unwrap();
    let below = store
        .create_folder(&user.id, "below", Some(&top.id))
        .await
        .unwrap();
    file(&store, &user, "f1", Some(&below.id)).await.unwrap();
    file(&store, &user, "f2", None).await.unwrap();

    assert_eq!(
        store.delete_folder(&user.id, &top.id).await.unwrap(),
        ["f1"]
    );
    assert!(store.file(&user.id, "f1").await.is_err());
    let root = store.contents(&user.id, None).await.unwrap();
    assert!(root.folders.is_empty());
    assert_eq!(root.files.len(), 1);
}

#[tokio::test]
async fn what_belongs_to_another_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (a, b) = (
        user(&store, "a@localhost").await,
        user(&store, "b@localhost").await,
    );
    let folder = store.create_folder(&a.id, "private", None).await.unwrap();
    file(&store, &a, "f1", Some(&folder.id)).await.unwrap();

    assert!(store.contents(&b.id, Some(&folder.id)).await.is_err());
    assert!(store.file(&b.id, "f1").await.is_err());
    assert!(store.delete_folder(&b.id, &folder.id).await.is_err());
    assert!(file(&store, &b, "f2", Some(&folder.id)).await.is_err());
    assert!(store.folder(&a.id, &folder.id).await.is_ok());
}

#[test]
fn names() {
    for bad in ["", " ", "..", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
        assert!(checked_name(bad).is_err(), "{bad:?}");
    }
    assert_eq!(
        checked_name(" Übersicht 2026.pdf ").unwrap(),
        "Übersicht 2026.pdf"
    );
}
