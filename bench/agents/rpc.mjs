/**
 * The far end of `startAgent`: answers calls that come by IPC, and ends with the process that asked.
 * @param {Record<string, (args: any) => unknown>} handlers
 */
export function serveCalls(handlers) {
  process.on('message', async ({ id, name, args }) => {
    try {
      const result = await handlers[name](args)
      reply({ id, result: result ?? null })
    } catch (error) {
      reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
}

function reply(answer) {
  if (process.connected) process.send(answer)
}
