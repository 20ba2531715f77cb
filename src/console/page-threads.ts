import { ask } from './api.ts'
import { el, link, section } from './dom.ts'
import type { Page } from './page.ts'
import { Pager } from './pager.ts'
import { ProcessChoice } from './process-choice.ts'
import { Table } from './table.ts'
import { timeText } from './text.ts'

interface ThreadState {
  readonly id: string
  readonly name: string
  readonly waits_for: string
  readonly waiting: number
  readonly timeout: number | null
}

interface ThreadGroup {
  readonly name: string
  readonly waits_for: string
  readonly threads: number
  readonly longest: number
}

/** What the threads of the server wait for: where to look when something hangs. */
export class ThreadsPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #choice: ProcessChoice
  readonly #pager = new Pager(() => void this.refresh())
  readonly #groups = new Table<ThreadGroup>(
    [
      { title: 'Name', text: ({ name }) => name },
      { title: 'Wait for', text: ({ waits_for }) => waits_for || 'their turn' },
      { title: 'Threads', isNumber: true, text: ({ threads }) => String(threads) },
      { title: 'The longest', isNumber: true, text: ({ longest }) => timeText(longest) },
    ],
    ({ name, waits_for }) => `${name} ${waits_for}`,
    'There is no thread.',
  )
  readonly #threads = new Table<ThreadState & { readonly key: string }>(
    [
      {
        title: 'Id',
        make: (current) => {
          const { id } = current()
          return link(id, this.#choice.address('log', id), { title: 'Its log', class: 'mono' })
        },
      },
      { title: 'Name', text: ({ name }) => name },
      { title: 'Waits for', text: ({ waits_for }) => waits_for || 'its turn' },
      { title: 'For', isNumber: true, text: ({ waiting }) => timeText(waiting) },
      { title: 'At most', isNumber: true, text: ({ timeout }) => (timeout === null ? 'no limit' : timeText(timeout)) },
    ],
    ({ key }) => key,
    'There is no such thread any more.',
  )

  /** @param parameter `ID` or `PROCESS/ID`; without an id: all connections */
  constructor(parameter: string) {
    this.#choice = new ProcessChoice('threads', parameter)
    const { id } = this.#choice
    const all = id === '' ? null : el('p', {}, link('All threads', this.#choice.address('threads', '')))
    this.element = el(
      'div',
      {},
      section(
        id === '' ? 'What threads wait for' : `What ${id} waits for`,
        this.#choice.element,
        all,
        this.#groups.element,
      ),
      section('One by one', this.#threads.element, this.#pager.element),
    )
  }

  async refresh(): Promise<void> {
    const query = `${this.#pager.query}${this.#choice.query}`
    const answer = await ask<{ threads: ThreadState[]; groups: ThreadGroup[]; total: number }>(`threads?${query}`)
    this.#pager.show(answer.total)
    this.#groups.update(answer.groups)
    // Threads of one connection share its id, and may share their names.
    const counts = new Map<string, number>()
    this.#threads.update(
      answer.threads.map((thread) => {
        const who = `${thread.id} ${thread.name}`
        const count = (counts.get(who) ?? 0) + 1
        counts.set(who, count)
        return { ...thread, key: `${who} ${count}` }
      }),
    )
    await this.#choice.refresh()
  }
}
