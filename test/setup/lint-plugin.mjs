// A rule of our own for oxlint: time comes from the clock of src/st, so a date is never made of the wall clock.
const message = '`new Date()` reads the wall clock: take the time from the clock of src/st.'

const noWallClockDate = {
  create(context) {
    const report = (node) => context.report({ node, message })
    return {
      NewExpression(node) {
        if (isDate(node.callee) && node.arguments.length === 0) report(node)
      },
      CallExpression(node) {
        if (isDate(node.callee)) report(node)
      },
    }
  },
}

function isDate(callee) {
  return callee.type === 'Identifier' && callee.name === 'Date'
}

export { plugin as default }

const plugin = { meta: { name: 'sluice' }, rules: { 'no-wall-clock-date': noWallClockDate } }
