// Runs before anything is drawn, so that the page does not flash in the theme that was not chosen.
(() => {
  try {
    const theme = localStorage.getItem("millstream-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the system's theme holds.
  }
})();
