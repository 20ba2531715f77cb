import { ask, failureText } from './api.ts'
import { button, setText } from './dom.ts'

const SURE_MS = 4_000

/** A button for what cannot be undone: the first press asks, the second one does it. */
export function confirmed(text: string, question: string, act: () => Promise<unknown>): HTMLButtonElement {
  let isAsked = false
  const calm = (): void => {
    isAsked = false
    made.classList.remove('danger')
    if (!made.disabled) setText(made, text)
  }
  const made = button(text, () => {
    if (!isAsked) {
      isAsked = true
      made.classList.add('danger')
      setText(made, question)
      setTimeout(calm, SURE_MS)
      return
    }
    void run(made, text, act)
  })
  return made
}

/** A button that asks the API for something, and says why it was refused. */
export function asking(text: string, path: () => string, method: string, done: () => void): HTMLButtonElement {
  const made = button(text, () => {
    void run(made, text, async () => {
      await ask(path(), method)
      done()
    })
  })
  return made
}

async function run(made: HTMLButtonElement, text: string, act: () => Promise<unknown>): Promise<void> {
  made.disabled = true
  setText(made, '…')
  try {
    await act()
    setText(made, text)
    made.title = ''
  } catch (error) {
    setText(made, 'Refused')
    made.title = failureText(error)
  } finally {
    made.disabled = false
  }
}
