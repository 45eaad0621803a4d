// Draws the diagrams of a page with Mermaid, which is part of the site and is loaded only where there is a diagram.
(() => {
    const sources = document.querySelectorAll("code.language-mermaid");
    if (sources.length === 0) return;
    const diagrams = [...sources].map((source) => {
        const diagram = document.createElement("pre");
        diagram.className = "mermaid";
        diagram.textContent = source.textContent;
        source.closest("pre").replaceWith(diagram);
        return diagram;
    });
    const script = document.createElement("script");
    script.src = `${path_to_root}mermaid.min.js`;
    script.onload = () => {
        mermaid.initialize({ startOnLoad: false, theme: "default" });
        mermaid.run({ nodes: diagrams });
    };
    document.head.append(script);
})();
