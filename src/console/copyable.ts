import { button, el, setText } from './dom.ts'

const SHOWN_MS = 1_500

/** A text that is there to be taken along. */
export function copyable(name: string, text: string): HTMLElement {
  const code = el('code', {}, text)
  const made = button('Copy', () => void copied(), { label: `Copy: ${name}` })
  const copied = async (): Promise<void> => {
    setText(made, (await copy(code)) ? 'Copied' : 'Select it')
    setTimeout(() => setText(made, 'Copy'), SHOWN_MS)
  }
  return el('div', { class: 'copyable' }, el('span', { class: 'label' }, name), code, made)
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
