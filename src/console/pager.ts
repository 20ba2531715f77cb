import { button, el, setText } from './dom.ts'

const PER_PAGE = 100

/** Goes through a long list of the API, page by page. */
export class Pager {
  readonly element: HTMLElement
  readonly #where = el('span')
  readonly #back: HTMLButtonElement
  readonly #forth: HTMLButtonElement
  #start = 0

  /** @param onTurn another page is to be shown */
  constructor(onTurn: () => void) {
    const turn = (by: number): void => {
      this.#start = Math.max(0, this.#start + by)
      onTurn()
    }
    this.#back = button('Back', () => turn(-PER_PAGE))
    this.#forth = button('Next', () => turn(PER_PAGE))
    this.element = el('div', { class: 'pager' }, this.#back, this.#where, this.#forth)
    this.element.hidden = true
  }

  /** For the query of a request. */
  get query(): string {
    return `start=${this.#start}&count=${PER_PAGE}`
  }

  /** @param total how many there are on all pages */
  show(total: number): void {
    if (this.#start >= total) this.#start = Math.floor(Math.max(0, total - 1) / PER_PAGE) * PER_PAGE
    this.element.hidden = total <= PER_PAGE
    setText(this.#where, `${this.#start + 1} to ${Math.min(total, this.#start + PER_PAGE)} of ${total}`)
    this.#back.disabled = this.#start === 0
    this.#forth.disabled = this.#start + PER_PAGE >= total
  }
}
