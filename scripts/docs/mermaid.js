// Draws the diagrams of a page with Mermaid, which is part of the site and is loaded only where there is a diagram.
(() => {
    const sources = document.querySelectorAll("code.language-mermaid");
    if (sources.length === 0) return;
    const diagrams = [...sources].map((source) => {
        const diagram = document.createElement("pre");
        diagram.className = "mermaid";
        diagram.tabIndex = 0;
        diagram.textContent = source.textContent;
        source.closest("pre").replaceWith(diagram);
        return diagram;
    });
    const script = document.createElement("script");
    script.src = `${path_to_root}mermaid.min.js`;
    script.onload = () => {
        mermaid.initialize({ startOnLoad: false, theme: "default", er: { useMaxWidth: false } });
        // The middle of a diagram that is wider than the page is what one sees first.
        mermaid.run({ nodes: diagrams }).then(() => {
            for (const diagram of diagrams) diagram.scrollLeft = (diagram.scrollWidth - diagram.clientWidth) / 2;
        });
    };
    document.head.append(script);
})();
