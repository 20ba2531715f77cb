import { ask, type Topology } from './api.ts'
import { el } from './dom.ts'

/** The process that answers, and has the streams. */
const ORIGIN = 'origin'

/** Which of the processes that are one server a page looks at: it stands in the address, as in `#/log/edge-1/ID`. */
export class ProcessChoice {
  readonly element: HTMLElement
  /** Of a connection; '': all. */
  readonly id: string
  readonly #process: string
  readonly #select = el('select', { id: 'process' })

  /** @param page its name in the address @param parameter `ID` or `PROCESS/ID` */
  constructor(page: string, parameter: string) {
    const at = parameter.indexOf('/')
    this.#process = at < 0 ? ORIGIN : parameter.slice(0, at)
    this.id = parameter.slice(at + 1)
    this.#select.addEventListener('change', () => {
      location.hash = this.#address(page, this.#select.value, this.id)
    })
    const label = el('label', {}, 'Process')
    label.htmlFor = this.#select.id
    this.element = el('div', { class: 'search' }, label, this.#select)
    this.element.hidden = true
  }

  /** What a request of the API has at its end. */
  get query(): string {
    const process = this.#process === ORIGIN ? '' : `&process=${encodeURIComponent(this.#process)}`
    return this.id === '' ? process : `&id=${encodeURIComponent(this.id)}${process}`
  }

  /** A page about a connection of the same process. @param id '': of all */
  address(page: string, id: string): string {
    return this.#address(page, this.#process, id)
  }

  /** Offers the processes that there are. Of a server that is one process there is nothing to be chosen. */
  async refresh(): Promise<void> {
    const { processes } = await ask<Topology>('topology')
    const edges = processes.map(({ number }) => `edge-${number}`)
    const names = [...new Set([ORIGIN, ...edges, this.#process])]
    this.element.hidden = names.length === 1
    if (names.length === this.#select.options.length) return
    this.#select.replaceChildren(...names.map((name) => new Option(name, name, false, name === this.#process)))
  }

  #address(page: string, process: string, id: string): string {
    return process === ORIGIN ? `#/${page}/${encodeURIComponent(id)}` : `#/${page}/${process}/${encodeURIComponent(id)}`
  }
}
