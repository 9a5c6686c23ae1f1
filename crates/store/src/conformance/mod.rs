//! What every backend promises, one function for each promise.
//!
//! ```text
//! oxwhisk_store::conformance_suite!(embedded, EmbeddedStore::in_temp_dir().unwrap());
//! oxwhisk_store::conformance_suite!(couchdb, CouchDbStore::from_env(), ignore = "needs CouchDB");
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is a panic"
)]

pub mod activations;
pub mod artifacts;
pub mod subjects;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Polls a future once, for promises about calls that have begun and not ended.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Makes a module of tests, one for each promise; `$store` is evaluated anew in each and must be a fresh
/// store that implements [`crate::ArtifactStore`], [`crate::ActivationStore`] and [`crate::SubjectStore`].
#[macro_export]
macro_rules! conformance_suite {
    ($module:ident, $store:expr $(, ignore = $reason:literal)?) => {
        mod $module {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $crate::conformance_suite!(@cases artifacts, $store, [$(#[ignore = $reason])?],
                a_document_is_read_back_as_it_was_put,
                an_unknown_document_is_none,
                creating_what_exists_is_a_conflict,
                stale_revision_is_a_conflict,
                replacing_what_does_not_exist_is_a_conflict,
                no_revision_comes_twice,
                one_of_many_creators_wins,
                deletion_needs_the_present_revision,
                attachments_come_and_go_with_their_document,
                attachments_stay_when_asked,
                lists_are_newest_first_and_paged,
                long_lists_name_what_does_not_fit,
                scopes_tell_packages_from_namespaces,
                private_documents_are_left_out_on_request,
                collections_are_kept_apart,
            );
            $crate::conformance_suite!(@cases activations, $store, [$(#[ignore = $reason])?],
                a_record_is_read_back_as_it_was_stored,
                a_record_belongs_to_its_namespace,
                a_record_can_be_read_while_it_is_stored,
                lists_are_newest_first_and_paged,
                long_lists_name_what_does_not_fit,
                pages_hold_while_records_are_stored,
                times_are_inclusive,
                names_match_with_their_package,
                lists_never_miss_what_was_stored,
            );
            $crate::conformance_suite!(@cases subjects, $store, [$(#[ignore = $reason])?],
                a_key_gives_its_identity,
                a_wrong_key_gives_nothing,
                a_blocked_subject_has_no_identity,
                a_namespace_gives_its_owner,
                a_uuid_belongs_to_one_subject,
                a_uuid_belongs_to_one_namespace,
                a_subject_is_replaced_whole,
                a_deleted_subject_is_gone,
                subjects_are_listed_by_namespace,
                limits_come_with_the_identity,
            );
        }
    };
    (@cases $topic:ident, $store:expr, $attributes:tt, $($case:ident,)*) => {
        mod $topic {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $($crate::conformance_suite!(@case $topic, $store, $attributes, $case);)*
        }
    };
    (@case $topic:ident, $store:expr, [$($attributes:tt)*], $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $($attributes)*
        async fn $case() {
            $crate::conformance::$topic::$case(&$store).await;
        }
    };
}
