/// What keeps an open page up to date; the page is whole without it.
///
/// Every two seconds it asks for the main part of the page that it stands in, and changes what differs: what is
/// open stays open, what has the focus keeps it. The server alone knows how things look.
enum PageScript {
    /// The script.
    static let text = #"""

        "use strict";
        (() => {
          const every = 2000, patience = 8000;
          const main = document.getElementById("main");
          const connection = document.getElementById("connection");
          const news = document.getElementById("news");
          let timer = 0, silence = 0, asking = false, again = false;

          function sync(old, fresh) {
            for (const { name } of [...old.attributes]) {
              const isOpenness = name === "open" && old.nodeName === "DETAILS";
              if (!fresh.hasAttribute(name) && !isOpenness) old.removeAttribute(name);
            }
            for (const { name, value } of [...fresh.attributes]) {
              if (old.getAttribute(name) !== value) old.setAttribute(name, value);
            }
          }

          function fits(old, fresh) {
            return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
          }

          function morph(old, fresh) {
            if (old.nodeType !== Node.ELEMENT_NODE) {
              if (old.data !== fresh.data) old.data = fresh.data;
              return;
            }
            sync(old, fresh);
            const named = new Map();
            for (const child of old.children) if (child.id) named.set(child.id, child);
            let place = old.firstChild;
            for (const wanted of [...fresh.childNodes]) {
              const known = wanted.id ? named.get(wanted.id) : undefined;
              if (known && fits(known, wanted)) {
                if (known === place) place = place.nextSibling; else old.insertBefore(known, place);
                morph(known, wanted);
              } else if (place && !place.id && fits(place, wanted)) {
                const next = place.nextSibling;
                morph(place, wanted);
                place = next;
              } else {
                old.insertBefore(wanted, place);
              }
            }
            while (place) {
              const next = place.nextSibling;
              place.remove();
              place = next;
            }
          }

          function localize() {
            for (const time of main.querySelectorAll("time")) {
              const text = new Date(time.dateTime).toLocaleString();
              if (time.title !== text) time.title = text;
            }
          }

          function update(text) {
            const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
            if (!fresh) throw new Error("no main part");
            if (fresh.dataset.version !== main.dataset.version) return location.reload();
            const focused = document.activeElement;
            morph(main, fresh);
            if (focused && focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
            document.title = main.dataset.title;
            localize();
          }

          function lost(text) {
            if (connection.textContent !== text) connection.textContent = text;
            connection.classList.toggle("lost", text !== "");
            document.body.classList.toggle("lost", text !== "");
          }

          async function ask(url, options) {
            const abort = new AbortController();
            const limit = setTimeout(() => abort.abort(), patience);
            try {
              const response = await fetch(url, { cache: "no-store", redirect: "error", signal: abort.signal, ...options });
              return { response, text: await response.text() };
            } finally {
              clearTimeout(limit);
            }
          }

          async function refresh() {
            clearTimeout(timer);
            if (asking) { again = true; return; }
            asking = true;
            try {
              const url = new URL(location.href);
              url.hash = "";
              url.searchParams.set("part", "main");
              const { response, text } = await ask(url, {});
              if (response.status === 401) {
                lost("The session has ended: load this page again to sign in.");
              } else if (!response.ok) {
                lost(`The daemon answers ${response.status}, retrying…`);
              } else {
                update(text);
                lost("");
              }
            } catch {
              lost("Connection lost, retrying…");
            }
            asking = false;
            const soon = again;
            again = false;
            timer = setTimeout(refresh, soon ? 0 : document.hidden ? every * 5 : every);
          }

          function say(text, isBad) {
            clearTimeout(silence);
            news.classList.toggle("bad", isBad);
            news.textContent = text;
            silence = setTimeout(() => { news.textContent = ""; }, isBad ? 15000 : 5000);
          }

          document.addEventListener("submit", async (event) => {
            const form = event.target, button = event.submitter;
            if (!form.dataset.done) return;
            event.preventDefault();
            if (button.getAttribute("aria-busy") === "true") return;
            const done = form.dataset.done;
            button.setAttribute("aria-busy", "true");
            try {
              const path = "/api/v1" + new URL(form.action).pathname;
              const { response, text } = await ask(path, { method: "POST", headers: { "X-Cistern-Request": "1" } });
              if (response.ok) {
                say(done, false);
              } else {
                const { error } = JSON.parse(text);
                say(error.hint ? `${error.text}; ${error.hint}` : error.text, true);
              }
            } catch {
              say("The daemon does not answer: nothing was done, or it is not known.", true);
            }
            button.removeAttribute("aria-busy");
            refresh();
          });

          document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
          localize();
          timer = setTimeout(refresh, every);
        })();

        """#
}
