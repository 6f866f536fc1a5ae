// Light or dark: as the system says, until the user chooses.

const CHOICES = ["system", "light", "dark"];

export function followTheme({ button, radios }) {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const stored = () => {
    const choice = localStorage.getItem("theme");
    return CHOICES.includes(choice) ? choice : "system";
  };
  const show = () => {
    const choice = stored();
    root.dataset.theme = choice === "system" ? (prefersDark.matches ? "dark" : "light") : choice;
    for (const radio of radios) radio.checked = radio.value === choice;
  };
  const choose = (choice) => {
    localStorage.setItem("theme", choice);
    show();
  };
  prefersDark.onchange = show;
  button.onclick = () => choose(root.dataset.theme === "dark" ? "light" : "dark");
  for (const radio of radios) radio.onchange = () => choose(radio.value);
  show();
}
