(() => {
  "use strict";
  const screen = () => document.getElementById("screen");

  // Buttons that only work with a script stay hidden without one.
  const reveal = () => document.querySelectorAll("[data-copy]").forEach((b) => { b.hidden = false; });

  // Only numbers that run down differ: update them where they stand, so that no
  // button is replaced under a finger.
  const tick = (next) => {
    const fresh = next.querySelectorAll("[data-live]");
    screen().querySelectorAll("[data-live]").forEach((old, i) => {
      if (old.tagName === "PROGRESS") old.value = fresh[i].value;
      else if (old.textContent !== fresh[i].textContent) old.textContent = fresh[i].textContent;
    });
  };

  const replace = (next) => {
    const focused = document.activeElement;
    const typed = focused && focused.tagName === "INPUT" ? focused.value : "";
    screen().replaceWith(next);
    reveal();
    document.getElementById("news").textContent = next.dataset.news;
    const again = focused && focused.id && document.getElementById(focused.id);
    if (!again) return;
    if (typed) again.value = typed;
    again.focus();
  };

  const refresh = async () => {
    try {
      const answer = await fetch(screen().dataset.source, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("screen");
      if (next && next.dataset.revision === screen().dataset.revision) tick(next);
      else if (next) replace(document.adoptNode(next));
    } catch {
      // The simulator has stopped: keep the last screen and ask again.
    }
    setTimeout(refresh, 1000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  });
  reveal();
  if (screen()) setTimeout(refresh, 1000);
})();
