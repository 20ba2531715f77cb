import { el, setText } from './dom.ts'

/** One column: text that changes, or elements that are made once for each row. */
export interface Column<T> {
  readonly title: string
  /** A number: stands at the right. */
  readonly isNumber?: boolean
  /** Is never long: stays on one line. */
  readonly isShort?: boolean
  readonly text?: (item: T) => string
  /** @param current gives the item as it is by now */
  readonly make?: (current: () => T) => HTMLElement
}

interface Row<T> {
  readonly element: HTMLTableRowElement
  item: T
}

/** A table whose rows stay what they are while their numbers change: nobody loses the place of the keyboard. */
export class Table<T> {
  readonly element: HTMLElement
  readonly #body = el('tbody')
  readonly #nothing: HTMLElement
  readonly #columns: readonly Column<T>[]
  readonly #keyOf: (item: T) => string
  readonly #rows = new Map<string, Row<T>>()

  /** @param nothing said when there are no rows */
  constructor(columns: readonly Column<T>[], keyOf: (item: T) => string, nothing: string) {
    this.#columns = columns
    this.#keyOf = keyOf
    this.#nothing = el('p', { class: 'nothing' }, nothing)
    const head = columns.map((column) => {
      const cell = el('th', look(column), column.title)
      cell.scope = 'col'
      return cell
    })
    const table = el('table', {}, el('thead', {}, el('tr', {}, ...head)), this.#body)
    this.element = el('div', { class: 'table' }, table, this.#nothing)
    this.#showNothing()
  }

  /** Shows these and no others, in this order. */
  update(items: readonly T[]): void {
    const keys = new Set(items.map(this.#keyOf))
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue
      element.remove()
      this.#rows.delete(key)
    }
    for (const [index, item] of items.entries()) {
      const { element } = this.#row(item)
      if (this.#body.children[index] !== element) this.#body.insertBefore(element, this.#body.children[index] ?? null)
    }
    this.#showNothing()
  }

  #showNothing(): void {
    this.#nothing.hidden = this.#rows.size > 0
    this.element.classList.toggle('empty', this.#rows.size === 0)
  }

  #row(item: T): Row<T> {
    const key = this.#keyOf(item)
    let row = this.#rows.get(key)
    if (row) row.item = item
    else {
      row = this.#make(item)
      this.#rows.set(key, row)
    }
    for (const [index, { text }] of this.#columns.entries()) {
      const cell = row.element.children[index]
      if (text && cell instanceof HTMLElement) setText(cell, text(item))
    }
    return row
  }

  #make(item: T): Row<T> {
    const element = el('tr')
    const row = { element, item }
    for (const column of this.#columns) {
      const cell = el('td', look(column))
      cell.dataset['label'] = column.title
      if (column.make) cell.append(column.make(() => row.item))
      element.append(cell)
    }
    return row
  }
}

function look({ isNumber, isShort }: Pick<Column<never>, 'isNumber' | 'isShort'>): { readonly class?: string } {
  return isNumber ? { class: 'number' } : isShort ? { class: 'short' } : {}
}
