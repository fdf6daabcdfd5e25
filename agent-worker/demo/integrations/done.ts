// What a page or a link has opened closes. A browser that keeps it open leaves the person with the words of the page.
window.close();
