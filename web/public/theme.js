// Sets the theme before the first paint. A file of its own, because the content policy forbids inline scripts.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem('headrace.theme');
  } catch {
    // Storage may be refused; the system's preference then decides.
  }
  const dark = choice ? choice === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
