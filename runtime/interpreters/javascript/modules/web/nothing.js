// Stands for what packages bring along and nothing asks for.
"use strict";
