/** An element that the page has. @throws Error when it has none such */
export function find<E extends HTMLElement>(root: ParentNode, selector: string, type: new () => E): E {
  const found = root.querySelector(selector)
  if (found instanceof type) return found
  throw new Error(`the page has no ${type.name} ${selector}`)
}

/** Sets the text of an element, if it is another: a screen reader tells each change. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** Shows a command line: a line may end between two words of it, but not behind a hyphen. */
export function setCommand(element: HTMLElement, command: string): void {
  if (element.textContent === command) return
  element.replaceChildren()
  for (const word of command.split(' ')) {
    const span = document.createElement('span')
    span.className = 'word'
    span.textContent = word
    if (element.hasChildNodes()) element.append(' ')
    element.append(span)
  }
}
