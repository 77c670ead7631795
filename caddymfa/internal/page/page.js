(function () {
  "use strict";
  var page = document.body.dataset;
  var left = false;

  // Each form is sent once. The pause covers a page that never came.
  var buttons = document.querySelectorAll("form button");
  function lock(locked) {
    left = locked;
    buttons.forEach(function (b) { b.disabled = locked || "waits" in b.dataset; });
  }
  document.addEventListener("submit", function (event) {
    if (left) { event.preventDefault(); return; }
    left = true;
    setTimeout(lock, 0, true);
    setTimeout(lock, 20000, false);
  });
  var onward = document.querySelector("form[data-onward]");
  addEventListener("pageshow", function (event) {
    if (event.persisted || !onward) { lock(false); }
  });

  // Before the page has loaded, so that it leaves no step in the history.
  if (onward && onward.requestSubmit) { onward.requestSubmit(); }

  // A second between two pages at least, whatever the server says. A form on
  // its way comes first: leaving the page would cut off its answer.
  function reload() {
    if (!page.self) { return; }
    setTimeout(function () {
      if (left) { reload(); return; }
      location.replace(page.self);
    }, left ? 1000 : Math.max(0, 1000 - performance.now()));
  }

  // "Send again" opens when its time has come.
  document.querySelectorAll("form[data-wait]").forEach(function (form) {
    var button = form.querySelector("button"), words = form.querySelector("p");
    button.dataset.waits = "";
    button.disabled = true;
    setTimeout(function () {
      delete button.dataset.waits;
      button.disabled = left;
      if (words) { words.remove(); }
    }, Number(form.dataset.wait));
  });

  // The end is announced a minute ahead, and then shown.
  var expires = Number(page.expires), soon = document.getElementById("soon");
  if (expires > 0) {
    if (soon && expires > 90000) {
      setTimeout(function () { soon.textContent = soon.dataset.text; }, expires - 60000);
    }
    setTimeout(reload, expires + 1000);
  }

  // Times in the reader's own time zone. In a list they are told in words.
  document.querySelectorAll("time").forEach(function (time) {
    try {
      time[time.closest("li") ? "title" : "textContent"] = new Date(time.dateTime).toLocaleString(
        document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    } catch (e) { /* the time in UTC stays */ }
  });

  // Waiting for an approval: a stream while the page is seen, else nothing.
  if (!page.events || !window.EventSource) {
    if (page.events) { setTimeout(reload, 5000); }
    return;
  }
  var stream, silence, retry, failures = 0;
  function close() {
    clearTimeout(silence);
    clearTimeout(retry);
    if (stream) { stream.close(); }
    stream = null;
  }
  function failed() {
    close();
    failures += 1;
    // Reloading would take a half-typed code away.
    var field = document.getElementById("code");
    if (failures > 3 && !(field && field.value)) { reload(); return; }
    retry = setTimeout(open, Math.min(30000, 125 * Math.pow(4, failures)));
  }
  function heard() {
    clearTimeout(silence);
    silence = setTimeout(failed, 20000);
  }
  function open() {
    close();
    if (document.hidden) { return; }
    stream = new EventSource(page.events);
    stream.onerror = failed;
    stream.onmessage = function (event) {
      var state;
      try { state = JSON.parse(event.data).state; } catch (e) { return; }
      failures = 0;
      heard();
      if (state && state !== "pending") { close(); reload(); }
    };
    heard();
  }
  document.addEventListener("visibilitychange", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", function (event) { if (event.persisted) { open(); } });
  open();
})();
