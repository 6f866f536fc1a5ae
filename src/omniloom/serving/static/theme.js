// Light or dark: as the system says, until the user chooses.

export function followTheme(button) {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const show = () => {
    root.dataset.theme = localStorage.getItem("theme") ?? (prefersDark.matches ? "dark" : "light");
  };
  prefersDark.onchange = show;
  button.onclick = () => {
    localStorage.setItem("theme", root.dataset.theme === "dark" ? "light" : "dark");
    show();
  };
  show();
}
