// Long names in tables may be broken after an underscore, a dot or a slash, so that the other columns keep their room.
for (const code of document.querySelectorAll("td code")) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) found.push(texts.currentNode);
    for (const text of found) {
        const pieces = text.data.split(/(?<=[_./,(])(?=\w)/);
        text.replaceWith(...pieces.flatMap((piece, place) => (place ? [document.createElement("wbr"), piece] : [piece])));
    }
}

// What is wider than the page can be moved with the keyboard too.
for (const wide of document.querySelectorAll("pre code, .table-wrapper")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}
