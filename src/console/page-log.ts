import { ask, type LogLine } from './api.ts'
import { el, link, section, setText } from './dom.ts'
import type { Page } from './page.ts'
import { ProcessChoice } from './process-choice.ts'
import { clockText } from './text.ts'

/** Lines that are shown; older ones go. */
const MAX_LINES = 500
/** Somebody who has scrolled so near to the end wants to see what comes. */
const NEAR_END_PX = 40

/** The log as it is written, of all or of one connection. */
export class LogPage implements Page {
  readonly intervalMs = 1_500
  readonly element: HTMLElement
  readonly #choice: ProcessChoice
  readonly #lines = el('ol', { class: 'log', role: 'log', label: 'Log' })
  readonly #nothing = el('p', { class: 'nothing' }, 'No line yet.')
  readonly #field = el('input')
  #last = 0

  /** @param parameter `ID` or `PROCESS/ID`; without an id: all connections */
  constructor(parameter: string) {
    this.#choice = new ProcessChoice('log', parameter)
    const { id } = this.#choice
    this.#lines.tabIndex = 0
    const title = id === '' ? 'Log' : `Log of ${id}`
    const others = [
      link('What it waits for', this.#choice.address('threads', id)),
      ' · ',
      link('All lines', this.#choice.address('log', '')),
    ]
    const links = id === '' ? null : el('p', {}, ...others)
    this.element = section(title, this.#form(), this.#choice.element, links, this.#lines, this.#nothing)
  }

  async refresh(): Promise<void> {
    const query = `after=${this.#last}&count=${MAX_LINES}${this.#choice.query}`
    const { lines, last } = await ask<{ lines: LogLine[]; last: number }>(`logs?${query}`)
    // The server was started anew: its lines count from one again.
    if (last < this.#last) this.#lines.replaceChildren()
    this.#last = last
    const isAtEnd = this.#lines.scrollHeight - this.#lines.scrollTop - this.#lines.clientHeight < NEAR_END_PX
    this.#lines.append(...lines.map((line) => this.#line(line)))
    while (this.#lines.children.length > MAX_LINES) this.#lines.firstElementChild?.remove()
    this.#nothing.hidden = this.#lines.children.length > 0
    this.#lines.hidden = !this.#nothing.hidden
    if (isAtEnd && lines.length > 0) this.#lines.scrollTop = this.#lines.scrollHeight
    await this.#choice.refresh()
  }

  #form(): HTMLElement {
    this.#field.id = 'log-id'
    this.#field.value = this.#choice.id
    this.#field.placeholder = 'of all connections'
    this.#field.spellcheck = false
    const label = el('label', {}, 'Connection')
    label.htmlFor = this.#field.id
    const form = el('form', { class: 'search' }, label, this.#field)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      location.hash = this.#choice.address('log', this.#field.value.trim())
    })
    return form
  }

  #line({ time_ms, level, id, text, fields }: LogLine): HTMLElement {
    const facts = Object.entries(fields).map(
      ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    const mark = el('span', { class: `level ${level}` })
    setText(mark, level)
    return el(
      'li',
      {},
      el('time', {}, clockText(time_ms)),
      mark,
      id === '' || id === this.#choice.id ? null : link(id, this.#choice.address('log', id), { class: 'mono' }),
      el('span', { class: 'said' }, text),
      el('span', { class: 'quiet' }, facts.join('  ')),
    )
  }
}
