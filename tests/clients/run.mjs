// Runs one exported function of a script: `node run.mjs SCRIPT FUNCTION`.
const [script, name] = process.argv.slice(2);
const functions = await import(new URL(script, import.meta.url));
await functions[name]();
