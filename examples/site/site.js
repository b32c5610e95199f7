// Logs in by a session of facemotion: the browser goes to its page, or shows it in a frame.
const form = document.getElementById("login");
const service = new URL(form.dataset.facemotion).origin;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { user, framed } = form.elements;
  const answer = await fetch("/login", { method: "POST", body: new URLSearchParams({ user: user.value }) });
  const address = await answer.text(); // or what went wrong
  if (!answer.ok) {
    document.getElementById("trouble").textContent = address;
  } else if (framed.checked) {
    const frame = document.createElement("iframe");
    frame.allow = "camera";
    frame.title = "Make your motion";
    frame.style = "width: 100%; height: 46rem; border: 0";
    frame.src = address;
    form.replaceWith(frame);
  } else {
    location.assign(address);
  }
});

addEventListener("message", (event) => {
  if (event.origin !== service || event.data.type !== "facemotion") return; // nobody else may say so
  const { session, code, state } = event.data;
  location.assign(`/back?${new URLSearchParams({ session, code, state })}`);
});
