//! The page that shows the description of the API.

use oxwhisk_controller::Limits;

use crate::support::Harness;

/// rest-api §1: the redirection leads to a page, which needs no credentials; other files are unknown paths (§4.4).
#[tokio::test(flavor = "multi_thread")]
async fn the_description_can_be_read_as_a_page() {
    let harness = Harness::start(Limits::default()).await;
    let anybody = harness.client.without_key();
    for (base, cors) in [("/api/v1", Some("*")), ("", None)] {
        let redirection = anybody.get(&format!("{base}/docs")).await.unwrap();
        let target = redirection.header("location").unwrap();
        assert_eq!(target, format!("docs/index.html?url={base}/api-docs"));
        let page = anybody.get(&format!("{base}/{target}")).await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=UTF-8")
        );
        assert_eq!(page.header("access-control-allow-origin"), cors);
        assert!(page.text().contains("<title>Swagger UI</title>"));
    }
    let other = harness.client.get("/api/v1/docs/dummy").await.unwrap();
    assert_eq!(other.status(), 404);
    let other = anybody.get("/docs/dummy").await.unwrap();
    assert_eq!(other.status(), 405);
}
