// Paths: Node's own code, as the package takes it over.
"use strict";
const { posix, win32 } = require("path-unified");
posix.posix = win32.posix = posix;
posix.win32 = win32.win32 = win32;
posix._makeLong = posix.toNamespacedPath;
win32._makeLong = win32.toNamespacedPath;
module.exports = posix;
