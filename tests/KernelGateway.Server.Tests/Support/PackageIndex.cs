using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KernelGateway.Server.Tests.Support;

/// <summary>A package index on loopback (PEP 503) that has one wheel, in two versions, made here.</summary>
internal sealed class PackageIndex : IAsyncDisposable
{
    private readonly WebServer _server;

    private PackageIndex(WebServer server) => _server = server;

    public int Port => _server.Port;

    public static async Task<PackageIndex> StartAsync()
    {
        var wheels = new[] { "1.0", "2.0" }.ToDictionary(version => $"kg_demo-{version}-py3-none-any.whl", Wheel);
        return new PackageIndex(await WebServer.StartAsync(app =>
        {
            app.MapGet("/simple/kg-demo/", () => Results.Content(
                string.Concat(wheels.Select(w => $"<a href=\"/files/{w.Key}#sha256={Convert.ToHexStringLower(SHA256.HashData(w.Value))}\">{w.Key}</a>\n")), "text/html"));
            app.MapGet("/files/{name}", (string name) => wheels.TryGetValue(name, out var wheel) ? Results.Bytes(wheel, "application/zip") : Results.NotFound());
        }));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static byte[] Wheel(string version)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            var info = $"kg_demo-{version}.dist-info";
            Add("kg_demo/__init__.py", $"version = '{version}'\n");
            Add($"{info}/METADATA", $"Metadata-Version: 2.1\nName: kg-demo\nVersion: {version}\n");
            Add($"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
            Add($"{info}/RECORD", $"kg_demo/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");

            void Add(string name, string text)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }

        return bytes.ToArray();
    }
}
