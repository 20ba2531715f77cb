const SHOWN_MS = 1_500

/** Makes a button copy the text of an element. */
export function copies(button: HTMLButtonElement, from: HTMLElement): void {
  button.addEventListener('click', () => {
    void copy(from).then((done) => show(button, done ? 'Copied' : 'Select it'))
  })
}

/** A page that came by plain HTTP from another machine has no clipboard: the old command still works there. */
async function copy(from: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(from.textContent)
    return true
  } catch {
    getSelection()?.selectAllChildren(from)
    return document.execCommand('copy')
  }
}

function show(button: HTMLButtonElement, text: string): void {
  button.textContent = text
  setTimeout(() => {
    button.textContent = 'Copy'
  }, SHOWN_MS)
}
