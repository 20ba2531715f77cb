// `npm test`: the tools, the checks, the build, the tests. Whatever happens, the last line printed is "N passed, N failed".
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureTools } from './tools.mjs'

process.exitCode = main()

function main() {
  const missing = ensureTools()
  if (missing !== null) return stop(missing)
  if (!run('npm', ['run', '--silent', 'check'])) return stop('npm run check failed')
  if (!run('npm', ['run', '--silent', 'build'])) return stop('npm run build failed')
  return runTests(process.argv.slice(2))
}

/** A failure before the first test counts as one failed test. */
function stop(reason) {
  console.error(reason)
  return summarize(0, 1)
}

function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  try {
    const file = join(folder, 'results.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const ok = run('npx', ['vitest', 'run', ...reporters, ...args])
    const { passed, failed } = readResults(file)
    return summarize(passed, ok ? failed : Math.max(failed, 1))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Counts tests; a file that failed to load counts as one failed test. */
function readResults(file) {
  let report
  try {
    report = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    console.error(`no test results: ${error.message}`)
    return { passed: 0, failed: 1 }
  }
  const unloaded = report.testResults.filter(
    (result) => result.status === 'failed' && result.assertionResults.length === 0,
  )
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length }
}

function summarize(passed, failed) {
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

function run(program, args) {
  return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}
