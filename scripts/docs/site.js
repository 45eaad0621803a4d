// Long names in tables may be broken after an underscore, a dot or a slash, so that the other columns keep their room. What a row is about
// stands in its first column, and stays in one line up to the length of most functions.
for (const code of document.querySelectorAll("td code")) {
    if (code.textContent.length < (code.closest("td").cellIndex === 0 ? 32 : 16)) continue;
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) found.push(texts.currentNode);
    for (const text of found) {
        const pieces = text.data.split(/(?<=[_./,(])(?=\w)/);
        text.replaceWith(...pieces.flatMap((piece, place) => (place ? [document.createElement("wbr"), piece] : [piece])));
    }
}

// Sentences in a cell need some room to be read.
for (const cell of document.querySelectorAll("td")) {
    if (cell.textContent.length > 80) cell.classList.add("sentences");
}

// What is wider than the page can be moved with the keyboard too.
for (const wide of document.querySelectorAll("pre code, .table-wrapper")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}
