// Counts visits by page. `cache` is shared by all functions and all instances of the workspace, and outlives a call.
exports.handler = async ({ page }) => {
  cache["last page"] = page;
  // `cache[page] = cache[page] + 1` would lose visits that happen at the same time; `increment` is one step.
  return thimble.cache.increment(`visits of ${page}`, 1);
};
