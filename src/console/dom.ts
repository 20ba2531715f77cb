/** Builds elements: text is always text, whatever a stream is called. */

type Child = Node | string | null

/** What an element has beside its children. */
interface Facts {
  readonly class?: string
  readonly id?: string
  readonly title?: string
  /** For who cannot see it: what a button without words does. */
  readonly label?: string
  readonly role?: string
  readonly onClick?: () => void
}

/** Makes an element. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  facts: Facts = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  if (facts.class) element.className = facts.class
  if (facts.id) element.id = facts.id
  if (facts.title) element.title = facts.title
  if (facts.label) element.setAttribute('aria-label', facts.label)
  if (facts.role) element.setAttribute('role', facts.role)
  if (facts.onClick) element.addEventListener('click', facts.onClick)
  for (const child of children) if (child !== null) element.append(child)
  return element
}

/** A button. */
export function button(text: string, onClick: () => void, facts: Facts = {}): HTMLButtonElement {
  const made = el('button', { ...facts, onClick }, text)
  made.type = 'button'
  return made
}

/** A link to a page of the console, or to a file of the server. */
export function link(text: string, href: string, facts: Facts = {}): HTMLAnchorElement {
  const made = el('a', facts, text)
  made.href = href
  return made
}

/** Sets the text of an element, if it is another: a screen reader tells each change. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** A part of a page with a heading. */
export function section(title: string, ...children: readonly Child[]): HTMLElement {
  return el('section', {}, el('h2', {}, title), ...children)
}

/** Names with their values, which change. */
export class FactList {
  readonly element = el('dl', { class: 'facts' })
  readonly #values = new Map<string, HTMLElement>()

  /** Sets a value; one that is new comes at the end. */
  set(name: string, value: string): void {
    let shown = this.#values.get(name)
    if (!shown) {
      shown = el('dd')
      this.#values.set(name, shown)
      this.element.append(el('div', {}, el('dt', {}, name), shown))
    }
    setText(shown, value)
  }
}
