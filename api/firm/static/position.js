// Fills a form's position from the phone. Without this file, or without a position, the form is sent as it is: no press ever waits.
const ASK = { enableHighAccuracy: true, timeout: 8000, maximumAge: 15000 };
const here = navigator.geolocation;

function fill({ lon, lat }, { coords }) {
  lon.value = coords.longitude.toFixed(6);
  lat.value = coords.latitude.toFixed(6);
}

// Fields to type in get a button that asks the phone, and with it the owner.
function addButton(form) {
  const button = document.createElement("button");
  const told = document.createElement("span");
  button.type = "button";
  button.textContent = form.dataset.locate;
  told.setAttribute("role", "status");
  button.addEventListener("click", () => {
    told.textContent = "";
    here.getCurrentPosition(
      (found) => {
        fill(form.elements, found);
        told.textContent = form.dataset.found;
      },
      () => { told.textContent = form.dataset.failed; },
      ASK,
    );
  });
  form.elements.lat.closest("label").before(button, told);
}

// Hidden fields are filled when the owner has agreed before; nobody is asked in the middle of a rescue.
async function fillQuietly(form) {
  const consent = await navigator.permissions.query({ name: "geolocation" });
  if (consent.state === "granted") here.getCurrentPosition((found) => fill(form.elements, found), () => {}, ASK);
}

if (here) {
  for (const form of document.querySelectorAll("form[data-position]")) {
    if (form.elements.lat.type === "hidden") fillQuietly(form).catch(() => {});
    else addButton(form);
  }
}
