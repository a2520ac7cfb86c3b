//! The page in a real Chromium: what its forms send comes back in its lists.

use serde_json::json;

use crate::{example::Example, site::Site, window::Window};

pub(crate) async fn check(example: &'static Example) {
    let site = Site::start(example).await;
    let window = Window::open(&format!("{}/", site.url())).await;
    window.fill("#name", "alice").await;
    window.click("#login").await;
    window.until("document.querySelector('#status').textContent === 'open'").await;
    // The app's own stream: from the hub beside it, relayed, or from the app where the hub is inside.
    window.until("document.querySelector('#relayed').checkVisibility()").await;

    window.fill("#message", "for all <b>of us</b>").await;
    window.click("#send").await;
    until_listed(&window, "#public", "for all <b>of us</b>").await;
    until_listed(&window, "#relayed", "for all <b>of us</b>").await;

    window.fill("#to", "alice").await;
    window.fill("#note", "for alice alone").await;
    window.click("#notify").await;
    until_listed(&window, "#private", "for alice alone").await;

    // Each is in its own list, once, and bob's is in none.
    site.publish("/users/bob/notifications", "for bob").await;
    site.publish("/messages", "the last").await;
    until_listed(&window, "#public", "the last").await;
    until_listed(&window, "#relayed", "the last").await;
    let lists: [usize; 3] = window
        .read("return ['#public', '#private', '#relayed'].map((list) => document.querySelector(list).children.length)")
        .await;
    assert_eq!(lists, [2, 1, 2]);
    assert_eq!(window.console().await, [""; 0]);
}

async fn until_listed(window: &Window, list: &str, text: &str) {
    let (list, text) = (json!(list), json!(text));
    window
        .until(&format!(
            "[...document.querySelector({list}).querySelectorAll('li')].some((line) => line.textContent.includes({text}))"
        ))
        .await;
}
