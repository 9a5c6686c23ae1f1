//! Promises about pausing and destroying.

use super::{Behaviour, Subject, assert_answer, run};

/// A container that was paused and resumed answers as before.
pub async fn paused_container_answers_after_it_was_resumed(subject: &Subject) {
    let container = subject.initialised(Behaviour::Echo).await;
    for value in ["{\"a\":1}", "{\"a\":2}"] {
        assert!(container.pause().await.is_ok());
        assert!(container.resume().await.is_ok());
        assert_answer(&run(&*container, value).await, value);
        super::logs(&*container, 1000).await;
    }
    container.destroy().await;
}

/// A paused container can be destroyed without being resumed first.
pub async fn paused_container_can_be_destroyed(subject: &Subject) {
    let container = subject.initialised(Behaviour::Hang).await;
    assert!(container.pause().await.is_ok());
    container.destroy().await;
}

/// Destroying again does nothing, and a container without init can be destroyed.
pub async fn destroying_twice_is_harmless(subject: &Subject) {
    let container = subject.create(1).await;
    container.destroy().await;
    container.destroy().await;
}
