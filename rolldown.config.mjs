// The build: what the server needs at run time, in few files and without packages to install beside it. Of packages only
// the modules that are used come along: of node-media-server its AMF0 decoder, 1 file of 900.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'rolldown'

const NODE_MODULES = /^(?<folder>.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//

export default defineConfig({
  input: { main: 'src/main.ts', index: 'src/index.ts' },
  platform: 'node',
  plugins: [licenses()],
  output: {
    dir: 'dist',
    format: 'esm',
    // Beside main.js: what lies in folders beside it is found from all of them.
    chunkFileNames: '[name].js',
    sourcemap: true,
    // Names in stack traces are those of the source.
    minify: false,
  },
})

/** Writes THIRD-PARTY-LICENSES.txt: the licence of every package of which something is in the files. */
function licenses() {
  return {
    name: 'licenses',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter(({ type }) => type === 'chunk')
      const modules = chunks.flatMap(({ modules: all }) => Object.keys(all))
      const folders = new Set(modules.flatMap((id) => NODE_MODULES.exec(id)?.groups?.folder ?? []))
      const source = [...folders].toSorted().map(license).join('\n')
      this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES.txt', source })
    },
  }
}

function license(folder) {
  const { name, version, license: kind } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file ? readFileSync(join(folder, file), 'utf8') : `Licence: ${kind}\n`
  return `${'='.repeat(80)}\n${name} ${version} (${kind})\n\n${text}`
}
