/** Light, dark, or what the system says. */
const KEY = 'sluice-theme'
const THEMES = ['system', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]

/** The page looks otherwise from now on. */
export const THEME_CHANGED = 'sluice-theme-changed'

/** Makes a button go through the themes; the choice is kept in this browser. */
export function useTheme(button: HTMLElement): void {
  apply(button, stored())
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length] ?? 'system'
    localStorage.setItem(KEY, next)
    apply(button, next)
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event(THEME_CHANGED)))
}

function stored(): Theme {
  return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system'
}

function apply(button: HTMLElement, theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
  button.textContent = { system: 'Theme: auto', light: 'Theme: light', dark: 'Theme: dark' }[theme]
  dispatchEvent(new Event(THEME_CHANGED))
}
